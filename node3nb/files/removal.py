"""Removal of a directory that a job wrote: deep, hostile, with modes that forbid it."""

from __future__ import annotations

import itertools
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from node3nb.files.beneath import DIRECTORY, OWN_DIRECTORY, make_accessible

#: Names read of a directory at a time, so that a million of them never stand in memory.
_BATCH = 1024


def remove_tree(root: Path) -> None:
    """Remove `root` and all below it; a missing `root` is no error.

    Uses constant depth of calls and of open files: a directory found inside a directory is
    first moved up to `root`, so that neither recursion nor the longest path limits it.  Links
    are removed, never followed.  Only for trees nobody writes to any more.

    Raises
    ------
    OSError
        `root` is no directory, or something in it can't be removed by this user.
    """
    if _emptied(root):
        root.rmdir()


def empty_directory(root: Path) -> None:
    """Remove all below `root`, as `remove_tree` does, but leave `root` itself."""
    _emptied(root)


def _emptied(root: Path) -> bool:
    """Empty `root` if it is there; return whether it is."""
    try:
        top = _open_top(root)
    except FileNotFoundError:
        return False
    try:
        _empty(top)
    finally:
        os.close(top)
    return True


def _open_top(root: Path) -> int:
    parent = os.open(root.parent, OWN_DIRECTORY)
    try:
        return _open_directory(root.name, parent)
    finally:
        os.close(parent)


def _empty(top: int) -> None:
    prefix, moved = f".removed-{secrets.token_hex(8)}-", itertools.count()
    for name in _names(top):
        if not _unlink(name, top):
            _lift_children(name, top, prefix, moved)
            os.rmdir(name, dir_fd=top)


def _names(directory: int) -> Iterator[str]:
    """Yield what is in a directory until nothing is; whoever takes a name removes it."""
    while True:
        with os.scandir(directory) as entries:
            names = [entry.name for entry in itertools.islice(entries, _BATCH)]
        if not names:
            return
        yield from names


def _unlink(name: str, directory: int) -> bool:
    """Remove what is no directory; return whether it was removed."""
    if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        return False
    os.unlink(name, dir_fd=directory)
    return True


def _lift_children(name: str, top: int, prefix: str, moved: Iterator[int]) -> None:
    """Remove the files of a directory and move its directories up to `top`.

    The names they get are random, so that no name a job chose is in their way.
    """
    directory = _open_directory(name, top)
    try:
        for child in _names(directory):
            if not _unlink(child, directory):
                os.close(_open_directory(child, directory))
                new = f"{prefix}{next(moved)}"
                os.rename(child, new, src_dir_fd=directory, dst_dir_fd=top)
    finally:
        os.close(directory)


def _open_directory(name: str, parent: int) -> int:
    """Open a directory and make its mode allow every change in it and of its `..`."""
    try:
        directory = os.open(name, DIRECTORY, dir_fd=parent)
    except PermissionError:
        make_accessible(parent, name, 0o700)
        directory = os.open(name, DIRECTORY, dir_fd=parent)
    os.fchmod(directory, 0o700)
    return directory
