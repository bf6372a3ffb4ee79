"""Fills the disk in the way its argument says, in the directory it runs in."""

import os
import sys
import time

from bounded import bound

MIB = 1 << 20


def stay() -> None:
    time.sleep(60)


def pieces() -> None:
    """Many files of 4 MiB."""
    for number in range(64):
        with open(f"piece-{number}", "wb") as file:
            file.write(b"x" * 4 * MIB)
    stay()


def one_file() -> None:
    with open("large", "wb") as file:
        file.writelines(b"x" * MIB for _ in range(256))


def files() -> None:
    for number in range(20_000):
        os.close(os.open(f"file-{number}", os.O_CREAT | os.O_WRONLY))
    stay()


def deep() -> None:
    for _ in range(6000):
        os.mkdir("d")
        os.chdir("d")
    stay()


def sparse() -> None:
    """A large hole, which takes no place."""
    os.truncate(os.open("hole", os.O_CREAT | os.O_WRONLY), 48 * MIB)
    for number in range(20):
        os.truncate(os.open(f"hole-{number}", os.O_CREAT | os.O_WRONLY), 48 * MIB)


def long_path() -> None:
    """Below a path longer than any call accepts."""
    for _ in range(30):
        os.mkdir("n" * 200)
        os.chdir("n" * 200)
    pieces()


def removed() -> None:
    """In files that have no name any more."""
    for number in range(20):
        file = os.open(f"gone-{number}", os.O_CREAT | os.O_WRONLY)
        os.unlink(f"gone-{number}")
        os.write(file, b"x" * 4 * MIB)
    stay()


def closed() -> None:
    """In directories whose mode keeps everybody out."""
    for number in range(5):
        os.mkdir(f"closed-{number}")
        with open(f"closed-{number}/piece", "wb") as file:
            file.write(b"x" * 16 * MIB)
        os.chmod(f"closed-{number}", 0)
    stay()


def linked() -> None:
    """A link to a directory of the machine's, which is not the job's."""
    os.symlink("/usr", "usr")


bound()
globals()[sys.argv[1]]()
