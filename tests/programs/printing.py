"""Prints what a log has to bear."""

import os
import sys
import time

from bounded import bound


def write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def flood() -> None:
    """Lines without end."""
    while True:
        write(b"0123456789abcde\n" * 4096)


def counted(size: int) -> None:
    """So many bytes, each telling where it stands."""
    lines = b"".join(b"%015d\n" % number for number in range(size // 16))
    write(lines)


def binary() -> None:
    write(bytes(range(256)) + b"\xff\xfe\xed\n")
    os.write(2, b"\xc3(\x00")


def trickle() -> None:
    """A line, then silence."""
    write(b"first\n")
    time.sleep(60)


bound()
globals()[sys.argv[1]](*map(int, sys.argv[2:]))
