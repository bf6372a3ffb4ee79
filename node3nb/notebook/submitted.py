"""SubmittedJob: a cell that has become a job on a marketplace."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import tempfile
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

from node3nb import inert_text
from node3nb.errors import CallNotOffered, InputError, VariableRefused
from node3nb.jobs import JobResult
from node3nb.marketplace.client import consumer, log_calls
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.client.job_views import ANSWER_S
from node3nb.marketplace.client.log_calls import LogPlace
from node3nb.marketplace.wire.protocol import JobView
from node3nb.notebook import market_jobs, page
from node3nb.notebook.answers import Logs
from node3nb.notebook.handles import Logged, standing, whole_text
from node3nb.notebook.live_text import LiveText
from node3nb.variables.bundle import PLACE
from node3nb.variables.luggage import MAX_BYTES, Luggage

#: Bytes of a running job's log that are fetched.
MAX_LOG_BYTES = 8 << 20
#: Bytes of the end of a log that is shown while the job runs.
TAIL_BYTES = 4096
#: Bytes of a job's files that are fetched for the variables among them.
MAX_OUT_BYTES = MAX_BYTES + (768 << 20)


class SubmittedJob(Logged):
    """A job on a marketplace, as its submitter holds it.

    Parameters
    ----------
    client
        The marketplace.
    job_id
        The marketplace's name for the job.
    luggage
        The variables it was given, and those it gives.
    names
        The notebook's variables.
    """

    def __init__(
        self,
        client: MarketplaceClient,
        job_id: str,
        luggage: Luggage | None = None,
        names: MutableMapping[str, Any] | None = None,
    ) -> None:
        self._client = client
        self._seen: JobView | None = None
        self._seen_at = _now()
        self._luggage = luggage or Luggage()
        self._names = {} if names is None else names
        self._awaited = bool(self._luggage.out)
        self._log, self._read = b"", LogPlace()
        #: The marketplace's name for the job.
        self.job_id = job_id

    @property
    def marketplace_url(self) -> str:
        """Where it was submitted."""
        return self._client.url

    @property
    def stands(self) -> str:
        """Where it stood when the marketplace was last asked; asks nobody."""
        return inert_text.line(self._seen.status) if self._seen else "submitted"

    @property
    def as_of(self) -> dt.datetime | None:
        """When that was; None once it has ended: it stays so."""
        return None if self._seen is not None and self._seen.final else self._seen_at

    def view(self, within_s: float = ANSWER_S) -> JobView:
        """Ask the marketplace and return all that it tells: agent, attempts, history."""
        return self._see(self._client.job(self.job_id, within_s))

    def refresh(self, within_s: float) -> None:
        """Ask where it stands, for so many seconds; one that has ended stays as it is.

        Raises
        ------
        MarketplaceError
            The marketplace does not answer in time.
        """
        if self.as_of is not None:
            self.view(within_s)

    def waits_for(self) -> str:
        """Ask the marketplace and return in a sentence what it waits for; empty if for nothing."""
        queued = self.view().status in market_jobs.QUEUED
        return market_jobs.waits_for(self._client, self.job_id) if queued else ""

    def _see(self, view: JobView) -> JobView:
        self._seen, self._seen_at = view, _now()
        return view

    def status(self) -> str:
        """Ask the marketplace and return where the job stands."""
        return self.view().status

    def result(self) -> JobResult | None:
        """Ask the marketplace and return how the job ended; None while it has not."""
        view = self.view()
        return self._ended(view) if view.final else None

    def wait(
        self, timeout_s: float | None = None, *, tell: Callable[[JobView], None] | None = None
    ) -> JobResult:
        """Wait until the job has ended, bring its variables into the notebook, and return how.

        Parameters
        ----------
        timeout_s
            Longest to wait, in seconds; None is for ever.
        tell
            Is given what the marketplace says of the job while it has not ended.

        Raises
        ------
        TimeoutError
            It has not ended in time; it goes on.
        VariableRefused
            A variable it gave can't be taken from what it wrote.
        MarketplaceError
            The marketplace has not answered for a minute.
        """

        def seen(view: JobView) -> None:
            self._see(view)
            if tell is not None:
                tell(view)

        view = consumer.wait(self._client, self.job_id, timeout_s, tell=seen)
        return self._ended(self._see(view))

    def _ended(self, view: JobView) -> JobResult:
        result = self._luggage.besides(consumer.result_of(view))
        if result.ok and self._awaited:
            with tempfile.TemporaryDirectory(prefix="node3nb-") as scratch:
                try:
                    consumer.fetch_outputs(self._client, self.job_id, Path(scratch), MAX_OUT_BYTES)
                except InputError as error:
                    self._awaited = False
                    told = f"--out {', '.join(self._luggage.out)}: {error}"
                    raise VariableRefused(told) from None
                # Once: the notebook may change them afterwards.
                self._awaited = False
                self._names.update(self._luggage.unpack(Path(scratch)))
        return result

    def cancel(self) -> None:
        """Call the job off; whoever runs it hears of that with the next heartbeat."""
        self._client.cancel(self.job_id)

    def look(self) -> tuple[Logs, bool]:
        """Ask the marketplace what has been printed so far, and whether the job has ended."""
        view = self.view()
        if not view.final:
            self._read_on()
            return Logs(self.job_id, whole_text(self._log), ""), False
        result = consumer.result_of(view)
        return Logs(self.job_id, result.stdout, result.stderr), True

    def last_lines(self) -> str:
        """Ask the marketplace for more of the log and return the end of what is known of it."""
        self._read_on()
        return whole_text(self._log[-TAIL_BYTES:])

    def _read_on(self) -> None:
        if len(self._log) >= MAX_LOG_BYTES:
            return
        with contextlib.suppress(CallNotOffered):
            piece = log_calls.read(self._client, self.job_id, self._read)
            anew = piece.place.attempt != self._read.attempt
            self._log = piece.content if anew else self._log + piece.content
            self._read = piece.place

    def _follow(self) -> None:
        live = LiveText()
        with contextlib.suppress(CallNotOffered):
            for piece in consumer.follow(self._client, self.job_id):
                live.print(piece)
        self._seen = consumer.wait(self._client, self.job_id)
        live.print_rest(consumer.result_of(self._seen))

    def save_outputs(self, directory: str | Path) -> Path:
        """Fetch the files the job left into an empty or new directory and return its path.

        Raises
        ------
        InputError
            What came is no archive of outputs, or the directory is not empty.
        """
        consumer.fetch_outputs(self._client, self.job_id, Path(directory))
        shutil.rmtree(Path(directory, PLACE), ignore_errors=True)
        return Path(directory)

    def __repr__(self) -> str:
        """Return what was last heard, and when: a display asks nobody."""
        where = inert_text.line(self.marketplace_url)
        return f"<SubmittedJob {inert_text.line(self.job_id)} at {where}: {standing(self)}>"

    def _repr_html_(self) -> str:
        view = self._seen
        agent = view.agent_id if view else None
        reason = view.error_message if view else None
        return page.facts(
            [
                ("job", self.job_id),
                ("marketplace", self.marketplace_url),
                ("status", standing(self)),
                ("agent", agent),
                ("why", reason),
            ]
        )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
