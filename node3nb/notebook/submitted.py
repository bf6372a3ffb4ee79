"""SubmittedJob: a cell that has become a job on a marketplace."""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from node3nb.errors import MarketplaceBusy
from node3nb.jobs import ExitReason, JobResult, JobState, failure
from node3nb.marketplace.client import MarketplaceClient
from node3nb.marketplace.protocol import JobStatus, JobView
from node3nb.notebook import page

#: Seconds between two looks at a job that is awaited: at first, and at the most.
FIRST_LOOK_S, LONGEST_LOOK_S = 0.05, 2.0

_RESULT = TypeAdapter(JobResult)


class SubmittedJob:
    """A job on a marketplace, as its submitter holds it.

    Parameters
    ----------
    client
        The marketplace.
    job_id
        The marketplace's name for the job.
    """

    def __init__(self, client: MarketplaceClient, job_id: str) -> None:
        self._client = client
        self._seen: JobView | None = None
        #: The marketplace's name for the job.
        self.job_id = job_id

    @property
    def marketplace_url(self) -> str:
        """Where it was submitted."""
        return self._client.url

    def view(self) -> JobView:
        """Ask the marketplace and return all that it tells: agent, attempts, history."""
        self._seen = self._client.job(self.job_id)
        return self._seen

    def status(self) -> str:
        """Ask the marketplace and return where the job stands."""
        return self.view().status

    def result(self) -> JobResult | None:
        """Ask the marketplace and return how the job ended; None while it has not."""
        view = self.view()
        return _result(view) if view.final else None

    def wait(self, timeout_s: float | None = None) -> JobResult:
        """Wait until the job has ended and return how.

        Parameters
        ----------
        timeout_s
            Longest to wait, in seconds; None is for ever.

        Raises
        ------
        TimeoutError
            It has not ended in time; it goes on.
        MarketplaceError
            The marketplace does not answer.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pause_s = FIRST_LOOK_S
        while True:
            asked_s, result = self._look()
            if result is not None:
                return result
            pause_s = max(asked_s, min(pause_s * 1.3, LONGEST_LOOK_S))
            left_s = pause_s if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"Job {self.job_id} has not ended yet; it goes on.")
            time.sleep(min(pause_s, left_s))

    def _look(self) -> tuple[float, JobResult | None]:
        """Return the seconds the marketplace wants to be left alone, and the result if any."""
        try:
            return 0.0, self.result()
        except MarketplaceBusy as busy:
            return busy.retry_after_s, None

    def cancel(self) -> None:
        """Call the job off; whoever runs it hears of that with the next heartbeat."""
        self._client.cancel(self.job_id)

    def save_outputs(self, path: str | Path) -> Path:
        """Fetch the files the job left, a `tar.gz`, into a new file and return its path."""
        self._client.get_output(self.job_id, Path(path))
        return Path(path)

    def __repr__(self) -> str:
        """Return what was last heard: a display asks nobody."""
        where = page.line(self.marketplace_url)
        return f"<SubmittedJob {page.line(self.job_id)} at {where}: {self._last_heard()}>"

    def _repr_html_(self) -> str:
        view = self._seen
        agent = view.agent_id if view else None
        reason = view.error_message if view else None
        return page.facts(
            [
                ("job", self.job_id),
                ("marketplace", self.marketplace_url),
                ("status", self._last_heard()),
                ("agent", agent),
                ("why", reason),
            ]
        )

    def _last_heard(self) -> str:
        return page.line(self._seen.status) if self._seen else "submitted"


def _result(view: JobView) -> JobResult:
    """Return how a job ended, as far as its marketplace and its agent tell."""
    told = _reported(view.output_data)
    ended = view.status
    if told is not None and told.ok == (ended == JobStatus.COMPLETED):
        return told
    if ended == JobStatus.COMPLETED:
        return JobResult(view.job_id, JobState.COMPLETED, ExitReason.EXITED, exit_code=0)
    if ended == JobStatus.CANCELLED:
        return failure(view.job_id, ExitReason.CANCELLED, "The job was called off.")
    return failure(view.job_id, _reason(view.error_type), view.error_message or "The job failed.")


def _reported(output_data: object) -> JobResult | None:
    """Return the result an agent of ours reported; others report what they like."""
    try:
        return _RESULT.validate_python(output_data)
    except ValidationError:
        return None


def _reason(error_type: str | None) -> ExitReason:
    try:
        return ExitReason(error_type or "")
    except ValueError:
        return ExitReason.LOST
