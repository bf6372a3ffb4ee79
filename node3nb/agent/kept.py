"""Workspaces of failed jobs, kept for a while so that their provider's owner can look."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path

from node3nb.agent.journal import Journal
from node3nb.agent.records import JobRecord
from node3nb.files.removal import remove_tree
from node3nb.files.workspace import Workspace
from node3nb.supervisor.disk import measure

#: Workspaces kept at once; bytes and files that all of them may hold.
MOST, MOST_BYTES, MOST_FILES = 20, 2 << 30, 100_000


class Kept:
    """What is kept of one provider's failed jobs; it goes with the provider at the latest.

    Parameters
    ----------
    keep_s
        Seconds that each is kept; 0 is not at all.
    journal
        Where the owner reads of it.
    """

    def __init__(self, keep_s: float, journal: Journal) -> None:
        #: Seconds that each is kept.
        self.keep_s = keep_s
        self._journal = journal
        self._lock = threading.Lock()
        #: Jobs, oldest first, each with the bytes and files that its workspace holds.
        self._kept: deque[tuple[JobRecord, int, int]] = deque()

    def keep(self, record: JobRecord, place: Workspace) -> None:
        """Move a failed job's workspace to where no other job finds it; the oldest make room."""
        if not self.keep_s:
            return
        written = measure((str(place.root),), MOST_FILES)
        job = f"Job {record.spec.job_id}"
        if written.bytes > MOST_BYTES or written.files > MOST_FILES or written.too_deep:
            self._journal.note(f"{job}: its workspace is too large to be kept.")
            return
        kept = place.root.rename(place.root.with_name(f"{record.name}.kept"))
        record.kept = str(kept)
        with self._lock:
            self._kept.append((record, written.bytes, written.files))
        self._bound()
        self._journal.note(f"{job}: its workspace is kept for {self.keep_s:g} s in {kept}")

    def remove(self, record: JobRecord) -> None:
        """Remove what is kept of a job; what has gone is no error."""
        with self._lock:
            found = next((each for each in self._kept if each[0] is record), None)
            if found is None:
                return
            self._kept.remove(found)
        gone, record.kept = record.kept, ""
        remove_tree(Path(gone))

    def clear(self) -> bool:
        """Remove all that is kept, as nothing else has room; return whether there was any."""
        with self._lock:
            kept = [record for record, _, _ in self._kept]
        for record in kept:
            self.remove(record)
        return bool(kept)

    def _bound(self) -> None:
        while True:
            with self._lock:
                size = sum(each for _, each, _ in self._kept)
                files = sum(each for _, _, each in self._kept)
                if len(self._kept) <= MOST and size <= MOST_BYTES and files <= MOST_FILES:
                    return
                oldest = self._kept[0][0]
            self.remove(oldest)
