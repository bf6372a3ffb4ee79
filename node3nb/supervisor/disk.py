"""How much a job has written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

#: Directories inside each other beyond which a tree is taken for an attack on its readers.
MAX_DEPTH = 100
#: Unit of st_blocks, in bytes (stat(2)).
BLOCK_BYTES = 512


@dataclass(frozen=True, slots=True)
class Written:
    """What stands on the disk in a job's writable directories."""

    #: Bytes on disk; a hole in a sparse file takes none.
    bytes: int = 0
    #: Files, directories and everything else that takes an inode.
    files: int = 0
    #: Whether directories lie deeper in each other than `MAX_DEPTH`.
    too_deep: bool = False


def measure(roots: tuple[str, ...], most_files: int) -> Written:
    """Count what lies below the roots; links are counted, never followed.

    Parameters
    ----------
    roots
        Directories; one that is gone or closed to us counts as empty.
    most_files
        Counting ends soon after this many entries: the limit is passed by then.
    """
    total = files = 0
    too_deep = False
    queue = [(root, 0) for root in roots]
    while queue and files <= most_files:
        path, depth = queue.pop()
        if depth > MAX_DEPTH:
            too_deep = True
            continue
        for entry_bytes, below in _entries(path):
            files += 1
            total += entry_bytes
            if below:
                queue.append((below, depth + 1))
            if files > most_files:
                break
    return Written(total, files, too_deep)


def _entries(path: str) -> Iterator[tuple[int, str]]:
    """Yield bytes on disk of each entry, with its path when it is a directory."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                below = entry.path if entry.is_dir(follow_symlinks=False) else ""
                yield status.st_blocks * BLOCK_BYTES, below
    except OSError:
        return
