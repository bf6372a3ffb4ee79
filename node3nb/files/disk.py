"""Whether the disks that jobs need have room."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from node3nb.sizes import shown_bytes


def shortage(directories: Iterable[Path], least_bytes: int) -> str:
    """Return a sentence about the first directory whose disk is full; empty when none is.

    Parameters
    ----------
    directories
        Where something is to be written; each has to be there.
    least_bytes
        A disk with less room than this is called full.
    """
    for directory in directories:
        free = shutil.disk_usage(directory).free
        if free < least_bytes:
            return (
                f"The disk of {directory} is full: {shown_bytes(free)} are free, and "
                f"{shown_bytes(least_bytes)} have to be. Make room there."
            )
    return ""
