"""Fills the disk in the way its argument says, in the directory it runs in."""

import os
import sys
import time

from bounded import bound

MIB = 1 << 20


def stay():
    time.sleep(60)


def pieces():
    """Many files of 4 MiB."""
    for number in range(64):
        with open(f"piece-{number}", "wb") as file:
            file.write(b"x" * 4 * MIB)
    stay()


def one_file():
    with open("large", "wb") as file:
        for _ in range(256):
            file.write(b"x" * MIB)


def files():
    for number in range(20_000):
        os.close(os.open(f"file-{number}", os.O_CREAT | os.O_WRONLY))
    stay()


def deep():
    for _ in range(6000):
        os.mkdir("d")
        os.chdir("d")
    stay()


def sparse():
    """A large hole, which takes no place."""
    os.truncate(os.open("hole", os.O_CREAT | os.O_WRONLY), 48 * MIB)
    for number in range(20):
        os.truncate(os.open(f"hole-{number}", os.O_CREAT | os.O_WRONLY), 48 * MIB)


def long_path():
    """Below a path longer than any call accepts."""
    for _ in range(30):
        os.mkdir("n" * 200)
        os.chdir("n" * 200)
    pieces()


def removed():
    """In files that have no name any more."""
    files = []
    for number in range(20):
        files.append(open(f"gone-{number}", "wb"))
        os.unlink(f"gone-{number}")
        files[-1].write(b"x" * 4 * MIB)
        files[-1].flush()
    stay()


def closed():
    """In a directory whose mode keeps everybody out."""
    os.mkdir("closed")
    os.chdir("closed")
    os.chmod(".", 0)
    pieces()


def linked():
    """A link to a directory of the machine's, which is not the job's."""
    os.symlink("/usr", "usr")


bound()
globals()[sys.argv[1]]()
