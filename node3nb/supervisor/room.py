"""Whether a job may have lacked room on the provider's disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from node3nb.supervisor import disk
from node3nb.supervisor.capped_log import CappedLog
from node3nb.supervisor.orders import Ordered
from node3nb.supervisor.watch import Cause

#: Why a job ended that the provider's disk has failed.
FULL = Cause("internal", "The provider's disk was full while the job ran; run it again elsewhere.")


@dataclass(frozen=True, slots=True)
class Room:
    """What was seen of that disk when a job has ended."""

    #: Whether it did not take all that the job printed and that was to be kept.
    short: bool
    #: Whether it was full at any look.
    was_full: bool
    #: Whether there are files in the job's working directory or among its outputs.  In its /tmp
    #: may lie directories that are ours: what it reads of a Python below /tmp is mounted on them.
    left_files: bool

    def lacked(self, code: int | None) -> bool:
        """Return whether a job that exited with a code may have lacked room.

        One that has left files is not believed to be well: many programs do not look whether
        what they wrote was taken.
        """
        return self.short or (self.was_full and (code != 0 or self.left_files))


class RoomWatch:
    """Looks at the disk of a job's directories from before its start to its end.

    One that is full for a while has room again when the job ends, and has not taken everything.

    Parameters
    ----------
    order
        The job.
    """

    def __init__(self, order: Ordered) -> None:
        self._order = order
        self._was_full = False
        self.look()

    def look(self) -> None:
        """Note whether it is full now."""
        self._was_full = self._was_full or disk.is_full(self._order.root)

    def seen(self, logs: Iterable[CappedLog]) -> Room:
        """Look once more, and at what the ended job has left."""
        self.look()
        places = (self._order.output, self._order.work)
        left = self._was_full and disk.measure(places, 1).files > 0
        return Room(any(log.short for log in logs), self._was_full, left)
