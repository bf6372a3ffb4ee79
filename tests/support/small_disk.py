"""A small disk, which may have no room for a while."""

from __future__ import annotations

import os
from pathlib import Path

from node3nb.jobs import MIB
from node3nb.supervisor.kernel.mounts import detach, mount_tmpfs, stop_propagation
from node3nb.supervisor.kernel.namespaces import NEWNS, unshare

#: Its size, and files it may hold.
BYTES, FILES = 64 * MIB, 20_000


def fill(ballast: Path) -> None:
    """Write a file until its disk has no room."""
    with ballast.open("ab", buffering=0) as file:
        for size in (MIB, 4096):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                os.fsync(file.fileno())


class Disk:
    """A file system in memory that only this process and those below it see.

    It goes with the last of them, however they end.

    Parameters
    ----------
    where
        The directory it is mounted on.
    """

    def __init__(self, where: Path) -> None:
        self._where = where
        self._ballast = where / "ballast"
        unshare(NEWNS)
        stop_propagation()
        mount_tmpfs(str(where), mode=0o700, bytes=BYTES, inodes=FILES)

    def fill(self) -> None:
        """Leave no room."""
        fill(self._ballast)

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Have it gone as soon as nobody uses it."""
        detach(str(self._where))
