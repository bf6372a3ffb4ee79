"""Removal of a directory that a job wrote: deep, hostile, with modes that forbid it."""

from __future__ import annotations

import os
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(root: Path) -> None:
    """Remove `root` and all below it; a missing `root` is no error.

    Uses constant depth of calls and of open files: a directory found inside a directory is
    first moved up to `root`, so that neither recursion nor the longest path limits it.  Links
    are removed, never followed.  Only for trees nobody writes to any more.
    """
    try:
        top = os.open(root, _DIRECTORY)
    except FileNotFoundError:
        return
    except PermissionError:
        os.chmod(root, 0o700, follow_symlinks=False)
        top = os.open(root, _DIRECTORY)
    try:
        os.fchmod(top, 0o700)
        _empty(top)
    finally:
        os.close(top)
    os.rmdir(root)


def _empty(top: int) -> None:
    moved = 0
    while names := os.listdir(top):
        for name in names:
            if _unlink(name, top):
                continue
            moved = _lift_children(name, top, moved)
            os.rmdir(name, dir_fd=top)


def _unlink(name: str, directory: int) -> bool:
    """Remove what is no directory; return whether it was removed."""
    try:
        os.unlink(name, dir_fd=directory)
    except (IsADirectoryError, PermissionError):
        return False
    return True


def _lift_children(name: str, top: int, moved: int) -> int:
    directory = _open_directory(name, top)
    try:
        for child in os.listdir(directory):
            if not _unlink(child, directory):
                moved += 1
                _lift(child, directory, top, f".removed-{moved}")
    finally:
        os.close(directory)
    return moved


def _open_directory(name: str, parent: int) -> int:
    try:
        directory = os.open(name, _DIRECTORY, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        directory = os.open(name, _DIRECTORY, dir_fd=parent)
    os.fchmod(directory, 0o700)
    return directory


def _lift(child: str, directory: int, top: int, name: str) -> None:
    """Move a directory up to `top`; its own mode must allow the change of its `..`."""
    os.close(_open_directory(child, directory))
    os.rename(child, name, src_dir_fd=directory, dst_dir_fd=top)
