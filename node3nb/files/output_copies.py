"""Outputs of a job copied to where their owner wants them, over nothing unless that is asked."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from node3nb.files.beneath import DIRECTORY, NEW_FILE, OWN_DIRECTORY, open_beneath, open_path

_CHUNK_BYTES = 1 << 20


def copy_outputs(
    paths: Iterable[str], source: Path, target: Path, *, replace: bool = False
) -> list[tuple[str, str]]:
    """Copy files to the same paths below another directory.

    Below both directories no link is followed and no file system is left.

    Parameters
    ----------
    paths
        Regular files below `source`, with forward slashes.
    source
        Where a job has left them.
    target
        An existing directory.
    replace
        Whether one may take the place of a file or a link there; never of a directory.

    Returns
    -------
    list
        Each path that was not copied, and why, as a clause.

    Raises
    ------
    OSError
        One of the directories can't be read.
    """
    below = os.open(source, DIRECTORY)
    try:
        into = os.open(target, OWN_DIRECTORY)
        try:
            told = [
                (path, _copied(below, into, tuple(path.split("/")), replace=replace))
                for path in paths
            ]
        finally:
            os.close(into)
    finally:
        os.close(below)
    return [(path, why) for path, why in told if why]


def _copied(below: int, into: int, parts: tuple[str, ...], *, replace: bool) -> str:
    """Copy one file and return why that was not possible, or ""."""
    try:
        source = open_path(below, parts, os.O_RDONLY)
        try:
            _write(source, into, parts, replace=replace)
        finally:
            os.close(source)
    except FileExistsError:
        return "something of its name is there already"
    except OSError as error:
        return f"{error.strerror}"
    return ""


def _write(source: int, into: int, parts: tuple[str, ...], *, replace: bool) -> None:
    directory, name = _entered(into, parts[:-1]), parts[-1]
    written = f".node3nb-{secrets.token_hex(8)}" if replace else name
    try:
        descriptor = os.open(written, NEW_FILE, 0o666, dir_fd=directory)
        try:
            with (
                os.fdopen(descriptor, "wb") as writing,
                os.fdopen(source, "rb", closefd=False) as reading,
            ):
                shutil.copyfileobj(reading, writing, _CHUNK_BYTES)
            if replace:
                os.replace(written, name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError:
            os.unlink(written, dir_fd=directory)  # half a file would pass for a whole one
            raise
    finally:
        os.close(directory)


def _entered(into: int, parts: tuple[str, ...]) -> int:
    """Return a descriptor of a directory below another, made where it is not there."""
    directory = os.dup(into)
    for part in parts:
        try:
            below = _step(directory, part)
        finally:
            os.close(directory)
        directory = below
    return directory


def _step(directory: int, part: str) -> int:
    with contextlib.suppress(FileExistsError):  # made for another file, if it can be opened
        os.mkdir(part, dir_fd=directory)
    return open_beneath(directory, part, DIRECTORY)
