"""How much of a disk a marketplace may fill: the database and the logs need room as well."""

from __future__ import annotations

import shutil
from pathlib import Path

#: Room left by files: so many bytes, or this share of a small disk.
KEPT_FREE_BYTES, KEPT_FREE_SHARE = 512 << 20, 0.05


def free_bytes(directory: Path) -> int:
    """Return how many bytes are free on the disk of a directory."""
    return shutil.disk_usage(directory).free


def kept_free(directory: Path) -> int:
    """Return how many bytes files leave free on the disk of a directory; logs leave half of it."""
    return min(KEPT_FREE_BYTES, int(KEPT_FREE_SHARE * shutil.disk_usage(directory).total))
