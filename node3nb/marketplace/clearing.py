"""Clearing up: what nothing needs any more goes, files before the jobs they are of."""

from __future__ import annotations

import asyncio
from pathlib import Path

from node3nb.marketplace.artifacts.keeper import Artifacts
from node3nb.marketplace.clock import Clock
from node3nb.marketplace.database.transactions import Transactions
from node3nb.marketplace.logs import Logs
from node3nb.marketplace.settings import DAY_S, Settings
from node3nb.marketplace.store import removal, retention
from node3nb.marketplace.store.removal import Place


class Clearing:
    """Removes what is kept no longer.

    All of it may be cut off anywhere, and run in several processes at once.

    Parameters
    ----------
    artifacts, logs
        The files of all jobs.
    database
        What knows of the jobs.
    clock
        What it takes for the time.
    settings
        How long what is kept.
    """

    def __init__(
        self,
        artifacts: Artifacts,
        logs: Logs,
        database: Transactions,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._artifacts = artifacts
        self._logs = logs
        self._database = database
        self._now = clock
        self._keep_logs_days = settings.keep_outputs_days
        #: A job stays at least as long as its files.
        self._keep_jobs_days = max(
            settings.keep_jobs_days, settings.keep_inputs_days, settings.keep_outputs_days
        )

    async def tidy(self) -> None:
        """Remove files, then jobs, then the logs of those that are gone and of others in time."""
        await self._artifacts.tidy()
        await self._remove_jobs()
        await self._remove_logs()

    async def _remove_jobs(self) -> None:
        ended_before = self._now() - self._keep_jobs_days * DAY_S
        place: Place | None = Place()
        while place is not None:
            place = await self._database.write(removal.remove, place, ended_before, self._now())

    async def _remove_logs(self) -> None:
        """Remove the logs of jobs that nobody knows, too: none is ever called so again."""
        ended_before = self._now() - self._keep_logs_days * DAY_S
        logs = await asyncio.to_thread(self._logs.by_job)
        job_ids = list(logs)
        for start in range(0, len(job_ids), retention.AT_ONCE):
            some = job_ids[start : start + retention.AT_ONCE]
            needed = await self._database.read(retention.with_logs, some, ended_before)
            spare = [log for job_id in some if job_id not in needed for log in logs[job_id]]
            await asyncio.to_thread(_unlink, spare)


def _unlink(logs: list[Path]) -> None:
    for log in logs:
        log.unlink(missing_ok=True)
