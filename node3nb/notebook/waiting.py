"""Waiting: tells how a submitted job goes, what it waits for and what it has printed last."""

from __future__ import annotations

import contextlib
import time

from node3nb.errors import MarketplaceError
from node3nb.marketplace.wire.protocol import JobView
from node3nb.notebook.market_jobs import QUEUED
from node3nb.notebook.progress import Progress
from node3nb.notebook.submitted import SubmittedJob

#: Seconds between two questions what a job waits for, and before the first.
ASK_S, FIRST_S = 5.0, 1.0


class Waiting:
    """Is given what the marketplace says of a job, and shows it.

    Parameters
    ----------
    job
        The job.
    progress
        Where it is shown.
    """

    def __init__(self, job: SubmittedJob, progress: Progress) -> None:
        self._job = job
        self._progress = progress
        self._due = time.monotonic() + FIRST_S
        #: What it waits for, in a sentence; empty for nothing, or while that is not known.
        self.words = ""

    def __call__(self, view: JobView) -> None:
        """Show how the job goes."""
        printed = ""
        if view.status not in QUEUED:
            self.words = ""
        elif time.monotonic() >= self._due:
            with contextlib.suppress(MarketplaceError):
                self.words = self._job.waits_for()
            self._due = time.monotonic() + ASK_S
        if view.status not in QUEUED and self._progress.shows:
            with contextlib.suppress(MarketplaceError):
                printed = self._job.last_lines()
        self._progress(f"Job {view.job_id[:12]} is {view.status}. {self.words}".strip(), printed)
