"""Files of this machine that `file:` URLs of a job lead to, below roots the owner opened."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import IO

from node3nb.errors import InputError
from node3nb.files.beneath import DIRECTORY, NEW_FILE, open_path
from node3nb.transfers.download import PartFile
from node3nb.transfers.retries import Retries
from node3nb.transfers.url_policy import FilePlace

_CHUNK_BYTES = 1 << 18


def read_file(place: FilePlace, part: PartFile, retries: Retries) -> None:
    """Copy a regular file into `part`.

    Raises
    ------
    InputError
        It is no regular file, or too big.
    OSError
        It can't be read.
    TransferCancelled
        Somebody cancelled it.
    """
    with _root(place) as root:
        descriptor = open_path(root, place.parts, os.O_RDONLY)
    with os.fdopen(descriptor, "rb", buffering=0) as source:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise InputError("input_url: it leads to no regular file; give the URL of one.")
        part.expect(info.st_size)
        while chunk := source.read(_CHUNK_BYTES):
            retries.check()
            part.append(chunk)


def write_file(file: IO[bytes], place: FilePlace, retries: Retries) -> None:
    """Write a file beside its place and move it there whole, replacing what was there.

    Raises
    ------
    OSError
        It can't be written; its directory must exist.
    TransferCancelled
        Somebody cancelled it.
    """
    *above, name = place.parts
    with _root(place) as root:
        parent = open_path(root, tuple(above), DIRECTORY) if above else os.dup(root)
    try:
        with _part(parent, f"{name}.part") as target:
            while chunk := file.read(_CHUNK_BYTES):
                retries.check()
                target.write(chunk)
        os.replace(f"{name}.part", name, src_dir_fd=parent, dst_dir_fd=parent)
    finally:
        os.close(parent)


@contextlib.contextmanager
def _part(parent: int, name: str) -> Iterator[IO[bytes]]:
    """Open a new file, on disk when the block ends and gone when it fails."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)
    with os.fdopen(os.open(name, NEW_FILE, 0o644, dir_fd=parent), "wb") as target:
        try:
            yield target
            target.flush()
            os.fsync(target.fileno())
        except BaseException:
            os.unlink(name, dir_fd=parent)
            raise


@contextlib.contextmanager
def _root(place: FilePlace) -> Iterator[int]:
    descriptor = os.open(place.root, DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
