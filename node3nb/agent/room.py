"""Whether the disks of a provider have room for what another job writes."""

from __future__ import annotations

from pathlib import Path

from node3nb import config
from node3nb.agent.kept import Kept
from node3nb.errors import DiskFull
from node3nb.files.disk import shortage
from node3nb.supervisor.disk import LEAST_ROOM_BYTES


class DiskRoom:
    """The room that has to be free before a job is taken.

    Parameters
    ----------
    least_bytes
        Bytes that have to be free where state and workspaces are.
    kept
        Workspaces that go first when there is less.
    """

    def __init__(self, least_bytes: int, kept: Kept) -> None:
        self._least_bytes = least_bytes
        self._kept = kept

    def check(self) -> None:
        """Look.

        Raises
        ------
        DiskFull
            There is too little room.
        """
        told = self.shortage()
        if told and self._kept.clear():
            told = self.shortage()
        if told:
            raise DiskFull(f"{told} No job is taken until then; finished results are delivered.")

    def shortage(self) -> str:
        """Return a sentence about the disk that is full; empty when none is."""
        return shortage(_directories(), self._least_bytes)

    @staticmethod
    def check_start() -> None:
        """Look whether a provider can start at all.

        Raises
        ------
        DiskFull
            It can't: there is no room whatever.
        """
        if told := shortage(_directories(), LEAST_ROOM_BYTES):
            raise DiskFull(f"{told} Then start again.")


def _directories() -> tuple[Path, Path]:
    return config.state_dir(), config.work_dir()
