"""Whether a job may have lacked room on the provider's disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from node3nb.supervisor import disk
from node3nb.supervisor.capped_log import CappedLog
from node3nb.supervisor.orders import Ordered
from node3nb.supervisor.watch import Cause

#: Why a job ended that the provider's disk has failed.
FULL = Cause("internal", "The provider's disk was full while the job ran; run it again elsewhere.")


@dataclass(frozen=True, slots=True)
class Room:
    """What is seen of that disk when a job has ended."""

    #: Whether it did not take all that the job printed and that was to be kept.
    short: bool = False
    #: Whether it is full.
    full: bool = False
    #: Whether there are files in the job's working directory or among its outputs.  In its /tmp
    #: may lie directories that are ours: what it reads of a Python below /tmp is mounted on them.
    left_files: bool = False

    @classmethod
    def seen(cls, order: Ordered, logs: Iterable[CappedLog]) -> Self:
        """Look at the disk of a job's directories, and at what it has left there."""
        full = disk.is_full(order.root)
        left = full and disk.measure((order.output, order.work), 1).files > 0
        return cls(any(log.short for log in logs), full, left)

    def lacked(self, code: int | None) -> bool:
        """Return whether a job that exited with a code may have lacked room.

        One that has left files is not believed to be well: many programs do not look whether
        what they wrote was taken.
        """
        return self.short or (self.full and (code != 0 or self.left_files))
