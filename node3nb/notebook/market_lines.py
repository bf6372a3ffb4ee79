"""The lines about marketplaces: one of this notebook's own, and what was sent to one."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from node3nb import config
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.process import MarketplaceProcess
from node3nb.notebook import local_address, market_jobs, parsing
from node3nb.notebook.market_jobs import MarketJobs
from node3nb.notebook.parsing import Misused
from node3nb.notebook.session import Session
from node3nb.notebook.submitted import SubmittedJob
from node3nb.provider import Provider


class MarketLines:
    """What a notebook's lines do with marketplaces."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._seen = MarketJobs()
        self._client: MarketplaceClient | None = None
        self.obeys: dict[str, Callable[[argparse.Namespace], object]] = {"market": self._market}

    def job_ids(self) -> list[str]:
        """Return the ids of the jobs that were last listed."""
        return self._seen.ids()

    def find(self, job_id: str) -> SubmittedJob | None:
        """Return one of those by its id, or by the only one that begins so."""
        alike = [each for each in self._seen.ids() if each.startswith(job_id)]
        if self._client is None or (job_id not in alike and len(alike) != 1):
            return None
        return SubmittedJob(self._client, job_id if job_id in alike else alike[0])

    def _market(self, args: argparse.Namespace) -> object:
        if args.job is not None and args.action != "cancel":
            raise Misused(f"market {args.action} takes no job; `%node3 market cancel JOB` does.")
        if args.action == "start":
            return self._start(args)
        if args.action == "jobs":
            return self._jobs(args)
        return self._cancel(args) if args.action == "cancel" else self._stop()

    def _start(self, args: argparse.Namespace) -> MarketplaceProcess:
        running = self._session.market
        if running is not None:
            print(f"A local marketplace runs already at {running.url}: this is it.")  # noqa: T201
            return running
        provider = Provider.current()
        serves = provider.snapshot().marketplace_url if provider else ""
        waits_at = local_address.silent_port(serves)
        started = self._session.start_market(args.data, args.port or waits_at)
        if serves:
            print(_of_provider(serves, started.url))  # noqa: T201 - an answer
        return started

    def _stop(self) -> object:
        told = "The local marketplace has ended." if self._session.market else "None runs."
        self._session.stop_market()
        print(told)  # noqa: T201 - an answer
        return None

    def _jobs(self, args: argparse.Namespace) -> object:
        self._list(args)
        return self._seen.to_pandas() if args.pandas else self._seen

    def _list(self, args: argparse.Namespace) -> None:
        self._client = self._session.consumer(
            args.marketplace, args.keys, allow_insecure_http=args.allow_insecure_http
        )
        self._seen = market_jobs.listed(self._client)

    def _cancel(self, args: argparse.Namespace) -> SubmittedJob:
        """Call a job off, and return it as it stands then."""
        if args.job is None:
            raise Misused("Name the job to cancel; `%node3 market jobs` lists them.")
        job = self._known(args.job)
        if job is None or (args.marketplace and job.job_id != args.job):
            self._list(args)
            job = self.find(args.job)
        if job is None:
            raise Misused(parsing.unexpected("job", args.job, self.job_ids()))
        job.cancel()
        job.view()
        return job

    def _known(self, job_id: str) -> SubmittedJob | None:
        """Return a job this notebook has sent or listed, wherever that is."""
        sent = self._session.history.find(job_id)
        return sent if isinstance(sent, SubmittedJob) else self.find(job_id)


def _of_provider(serves: str, started: str) -> str:
    """Return what a provider that runs already has of a marketplace that was started."""
    if config.origin(serves) == config.origin(started):
        return "The provider that waits for a marketplace here finds it, within about a minute."
    return (
        f"The provider that runs here serves {serves}; `%node3 stop`, then `%node3 start` has it "
        "serve this marketplace."
    )
