"""MarketJobs: what its submitter has at a marketplace, and which of that is ahead of a job."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from node3nb import inert_text
from node3nb.errors import MarketplaceError
from node3nb.job_checks import is_job_id
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.wire.protocol import JobStatus, JobSummary, JobView
from node3nb.notebook.listing import Listing

#: Jobs that are asked for, the newest.
ASKED = 200
#: Statuses of a job that nobody has taken: ours, and what other marketplaces call it.
QUEUED = frozenset({str(JobStatus.AVAILABLE), "pending"})


class MarketJobs(Listing[JobView]):
    """Jobs that were submitted with one key, newest first, whichever notebook has sent them."""

    heads = ("job", "status", "submitted", "attempts", "agent", "why")
    noun = "job"
    none = "You have no jobs at this marketplace."
    times = ("submitted_at", "started_at", "finished_at")

    @staticmethod
    def row(item: JobView) -> tuple[str, ...]:
        """Return what the columns say of one job."""
        attempts = f"{item.attempts} of {item.max_attempts}"
        why, agent = item.error_message or "", (item.agent_id or "")[:12]
        return item.job_id[:36], item.status, _when(item.submitted_at), attempts, agent, why

    @staticmethod
    def fields(item: JobView) -> dict[str, Any]:
        """Return one job as plain data."""
        return item.model_dump(include=set(JobSummary.model_fields))

    def ids(self) -> list[str]:
        """Return those names that are ids: others might be code on a line."""
        return [item.job_id for item in self if is_job_id(item.job_id)]


def listed(client: MarketplaceClient) -> MarketJobs:
    """Ask a marketplace for the jobs submitted with our key.

    Raises
    ------
    MarketplaceError
        It does not tell.
    """
    return MarketJobs(client.jobs(limit=str(ASKED)))


def waits_for(client: MarketplaceClient, job_id: str) -> str:
    """Return in words what a queued job waits for, as far as its submitter can see."""
    try:
        jobs = listed(client)
    except MarketplaceError:
        return ""
    before = _submitted_before(jobs, job_id)
    older = [job for job in before if not job.final and is_job_id(job.job_id)]
    if not older:
        return "It waits for a provider to take it."
    first = next((job for job in older if job.status not in QUEUED), older[-1])
    one = len(older) == 1
    ahead = "1 job of yours is ahead" if one else f"{len(older)} jobs of yours are ahead, the first"
    return (
        f"{ahead}: {first.job_id}, {inert_text.line(first.status, 40)}, submitted "
        f"{_when(first.submitted_at)}; cancel it with `%node3 market cancel {first.job_id}`."
    )


def _submitted_before(jobs: Sequence[JobView], job_id: str) -> Sequence[JobView]:
    at = next((at for at, job in enumerate(jobs) if job.job_id == job_id), len(jobs))
    return jobs[at + 1 :]


def _when(told: str | None) -> str:
    """Return a marketplace's time as this machine's."""
    try:
        return f"{dt.datetime.fromisoformat(told or '').astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError):
        return "-"
