"""ProviderJob: a job that this notebook's provider runs, or has run, for somebody else."""

from __future__ import annotations

import time

from node3nb import inert_text
from node3nb.agent.records import JobSummary
from node3nb.jobs import JobResult
from node3nb.notebook import page, shown
from node3nb.notebook.answers import Logs
from node3nb.notebook.handles import LOOK_S, Logged
from node3nb.notebook.jobs_list import Jobs
from node3nb.provider import Provider


class ProviderJob(Logged):
    """One job of a provider, as the provider's owner holds it."""

    def __init__(self, provider: Provider, job_id: str) -> None:
        self._provider = provider
        #: The marketplace's name for the job.
        self.job_id = job_id

    @property
    def summary(self) -> JobSummary | None:
        """What there is to say of it now; None once the provider has forgotten it."""
        jobs = self._provider.snapshot().jobs
        return next((job for job in jobs if job.job_id == self.job_id), None)

    @property
    def stands(self) -> str:
        """Where it stands."""
        summary = self.summary
        return str(summary.state) if summary is not None else "forgotten"

    def result(self) -> JobResult | None:
        """Return how it ended; None while it has not."""
        return self._provider.result(self.job_id)

    def wait(self, timeout_s: float | None = None) -> JobResult:
        """Wait until it has ended and return how.

        Raises
        ------
        TimeoutError
            It has not ended in so many seconds; it goes on.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while (result := self.result()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"Job {self.job_id} still runs after {timeout_s:g} s.")
            time.sleep(LOOK_S)
        return result

    def cancel(self) -> None:
        """End it; its marketplace hears that its provider's owner has cancelled it."""
        self._provider.cancel(self.job_id)

    def look(self) -> tuple[Logs, bool]:
        """Return what it has printed so far, and whether it has ended."""
        over = self.result() is not None
        return Logs(self.job_id, *(self._provider.logs(self.job_id) or ("", ""))), over

    def __repr__(self) -> str:
        result = self.result()
        if result is not None:
            return page.paragraphs(shown.result_text(result), self._kept())
        told = [f"{name:<9} {inert_text.line(value, 300)}" for name, value in self._facts if value]
        return "\n".join(told)

    def _repr_html_(self) -> str:
        result = self.result()
        if result is None:
            return page.facts(self._facts)
        return shown.result_html(result) + page.sentence(self._kept())

    def _kept(self) -> str:
        """Say where its directory is kept; nothing when it is not."""
        kept = self.summary.kept if self.summary else ""
        return f"Its workspace is kept in {inert_text.line(kept, 600)}" if kept else ""

    @property
    def _facts(self) -> list[tuple[str, str]]:
        summary = self.summary
        if summary is None:
            return [("job", self.job_id), ("state", self.stands)]
        return list(zip(Jobs.heads, Jobs.row(summary), strict=True))
