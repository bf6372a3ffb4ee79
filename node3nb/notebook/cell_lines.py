"""The lines that send cells off as jobs, and ask after the jobs there are."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from node3nb.errors import MarketplaceUnreachable, VariableRefused
from node3nb.jobs import JobResult
from node3nb.marketplace.client import consumer
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.notebook import cell_job, input_archive, local_address, parsing
from node3nb.notebook.answers import Logs, Outputs
from node3nb.notebook.attendance import attend
from node3nb.notebook.cell_run import CellRun, Places
from node3nb.notebook.handles import Handle, Interrupted, Waited
from node3nb.notebook.market_lines import MarketLines
from node3nb.notebook.parsing import Misused
from node3nb.notebook.preferences import Node3
from node3nb.notebook.progress import Progress
from node3nb.notebook.provider_job import ProviderJob
from node3nb.notebook.session import Session
from node3nb.notebook.submitted import SubmittedJob
from node3nb.notebook.waiting import Waiting
from node3nb.provider import Provider


class CellLines:
    """What a notebook's lines do with cells and with jobs.

    Parameters
    ----------
    shell
        The shell whose variables the jobs get and give.
    session
        What the notebook holds.
    chosen
        What its owner likes.
    market
        Knows the jobs that other notebooks have sent.
    """

    def __init__(self, shell: Any, session: Session, chosen: Node3, market: MarketLines) -> None:
        self._shell = shell
        self._session = session
        self._chosen = chosen
        self._market = market
        self.obeys: dict[str, Callable[[argparse.Namespace], object]] = {
            "run": self._run,
            "submit": self._submit,
            "history": self._history,
            "job": lambda args: self._find(args.job),
            "logs": self._logs,
            "outputs": self._outputs,
        }

    def job_ids(self) -> list[str]:
        """Return the ids of the jobs that cells have become."""
        return [sent.job.job_id for sent in self._session.history]

    def _progress(self) -> Progress:
        return Progress(self._shell, self._chosen.progress_after_s)

    def _run(self, args: argparse.Namespace) -> JobResult | CellRun:
        run = CellRun(
            cell_job.spec(args.cell, args),
            self._session.container if cell_job.wants_container(args) else self._session.executor,
            Places(args.input, args.output, args.replace),
            cell_job.luggage(args),
            self._shell.user_ns,
        )
        self._session.history.add(run, "here", args.cell)
        if args.background:
            if self._chosen.keep_alive:
                self._session.keep_alive()
            run.start()
            return run
        with self._progress() as progress:
            return attend(run, progress)

    def _submit(self, args: argparse.Namespace) -> SubmittedJob | JobResult:
        client = self._session.consumer(
            args.marketplace, args.keys, allow_insecure_http=args.allow_insecure_http
        )
        luggage = cell_job.luggage(args)
        asked = cell_job.submission(args.cell, args)
        with tempfile.TemporaryDirectory(prefix="node3nb-") as scratch:
            archive = None
            if asked.get("awaits_input"):
                luggage.pack(self._shell.user_ns, Path(scratch))
                archive = Path(scratch, "input.tar.gz")
                input_archive.pack(args.input, Path(scratch) if luggage.into else None, archive)
            job_id = _sent(client, asked, archive)
        job = SubmittedJob(client, job_id, luggage, self._shell.user_ns)
        self._session.history.add(job, client.url, args.cell)
        if not args.wait:
            return job
        if self._session.is_ours(client.url) and (missing := self._no_provider()):
            print(missing)  # noqa: T201 - an answer
        return self._await(job)

    def _no_provider(self) -> str:
        """Return why nothing here runs what is submitted to our own marketplace; empty if so."""
        provider = Provider.current()
        if provider is None:
            return "The job waits for a provider; `%node3 start` starts one."
        serves = provider.snapshot().marketplace_url
        if self._session.is_ours(serves):
            return ""
        return (
            f"The job waits for a provider: the one that runs here serves {serves}; "
            "`%node3 stop`, then `%node3 start` has it serve this marketplace."
        )

    def _await(self, job: SubmittedJob) -> JobResult:
        """Wait for a submitted job; an interrupt ends the waiting only."""
        progress = self._progress()
        waiting = Waiting(job, progress)
        try:
            with progress:
                return job.wait(tell=waiting)
        except KeyboardInterrupt:
            told = f"You stopped waiting; job {job.job_id} goes on, and this is its handle."
            raise Interrupted(f"{told} {waiting.words}".strip(), job) from None
        except VariableRefused as error:
            raise Waited(str(error), job.result() or job) from None

    def _history(self, args: argparse.Namespace) -> object:
        self._session.history.refresh()
        now = self._session.history[:]
        return now.to_pandas() if args.pandas else now

    def _find(self, job_id: str) -> Handle:
        found = self._session.history.find(job_id) or self._market.find(job_id)
        if found is not None:
            return found
        provider = Provider.current() or self._session.last_provider
        jobs = provider.snapshot().jobs if provider is not None else ()
        alike = [job.job_id for job in jobs if job.job_id.startswith(job_id)]
        if provider is not None and (job_id in alike or len(alike) == 1):
            return ProviderJob(provider, job_id if job_id in alike else alike[0])
        known = [*self.job_ids(), *self._market.job_ids(), *(job.job_id for job in jobs)]
        told = parsing.unexpected("job", job_id, known)
        others = " `%node3 market jobs` lists those that other notebooks have sent."
        raise Misused(told if told.endswith("?") else told + others)

    def _logs(self, args: argparse.Namespace) -> Logs | None:
        return self._find(args.job).logs(follow=args.follow)

    def _outputs(self, args: argparse.Namespace) -> Outputs:
        job = self._find(args.job)
        if args.save is not None:
            if not isinstance(job, SubmittedJob):
                raise Misused(
                    "Only a submitted job's files can be fetched later; those of a cell that runs "
                    "here are kept by `%%node3 run --output DIR`."
                )
            job.save_outputs(args.save)
        result = job.result()
        return Outputs(job.job_id, result.outputs if result else None, args.save)


def _sent(client: MarketplaceClient, asked: Mapping[str, Any], archive: Path | None) -> str:
    """Submit a job and return its id; a marketplace that is not there may be started here."""
    try:
        return consumer.submit(client, asked, archive)
    except MarketplaceUnreachable as error:
        if not local_address.is_here(client.url):
            raise
        told = f"{error} A marketplace of your own starts with `%node3 market start`."
        raise MarketplaceUnreachable(told) from error
