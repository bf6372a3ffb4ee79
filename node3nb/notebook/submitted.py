"""SubmittedJob: a cell that has become a job on a marketplace."""

from __future__ import annotations

from pathlib import Path

from node3nb import inert_text
from node3nb.jobs import JobResult
from node3nb.marketplace import consumer
from node3nb.marketplace.client import MarketplaceClient
from node3nb.marketplace.protocol import JobView
from node3nb.notebook import page


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
        return consumer.result_of(view) if view.final else None

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
            The marketplace has not answered for a minute.
        """
        self._seen = consumer.wait(self._client, self.job_id, timeout_s)
        return consumer.result_of(self._seen)

    def cancel(self) -> None:
        """Call the job off; whoever runs it hears of that with the next heartbeat."""
        self._client.cancel(self.job_id)

    def save_outputs(self, directory: str | Path) -> Path:
        """Fetch the files the job left into an empty or new directory and return its path.

        Raises
        ------
        InputError
            What came is no archive of outputs, or the directory is not empty.
        """
        consumer.fetch_outputs(self._client, self.job_id, Path(directory))
        return Path(directory)

    def __repr__(self) -> str:
        """Return what was last heard: a display asks nobody."""
        where = inert_text.line(self.marketplace_url)
        return f"<SubmittedJob {inert_text.line(self.job_id)} at {where}: {self._last_heard()}>"

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
        return inert_text.line(self._seen.status) if self._seen else "submitted"
