"""The lines that start, steer and ask the provider."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from node3nb import config
from node3nb.agent.records import Snapshot
from node3nb.agent.settings import Settings
from node3nb.containers.policy import ContainerPolicy
from node3nb.errors import Node3Error
from node3nb.jobs import Isolation
from node3nb.notebook import local_address
from node3nb.notebook.answers import Why
from node3nb.notebook.jobs_list import Jobs
from node3nb.notebook.session import Session
from node3nb.provider import Provider


class ProviderLines:
    """What a notebook's lines do with its provider."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.obeys: dict[str, Callable[[argparse.Namespace], object]] = {
            "start": self._start,
            "status": self._status,
            "dashboard": lambda _: self._session.provider.dashboard(),
            "jobs": self._jobs,
            "why": self._why,
            "pause": lambda _: self._control(Provider.pause),
            "resume": lambda _: self._control(Provider.resume),
            "drain": lambda _: self._control(Provider.drain),
            "stop": lambda _: self._control(Provider.stop),
        }

    def job_ids(self) -> list[str]:
        """Return the ids of the provider's jobs; there may be no provider."""
        try:
            return [job.job_id for job in self._session.provider.snapshot().jobs]
        except Node3Error:
            return []

    def _start(self, args: argparse.Namespace) -> Provider:
        running = Provider.current()
        if running is not None:
            named = args.marketplace or self._session.market
            wanted = self._session.marketplace_url(args.marketplace) if named else None
            print(_already(running, wanted))  # noqa: T201 - an answer
            if args.keep_alive:
                self._session.keep_alive()
            return running
        url = self._session.marketplace_url(args.marketplace)
        settings = Settings(
            max_concurrent_jobs=args.slots,
            wallet_address=args.wallet,
            invitation=self._session.key("invitation", url, args.keys),
            allow_insecure_http=args.allow_insecure_http,
            allow_weak_isolation=args.allow_weak_isolation,
            allow_host_network=args.allow_host_network,
            isolation=Isolation(args.level) if args.level else None,
            preload=args.preload,
            min_free_bytes=args.min_free,
            keep_s=args.keep_failed,
            containers=ContainerPolicy(prefer_native=args.prefer_native, default_image=args.image),
        )
        provider = Provider(
            url,
            self._session.key("agent", url, args.keys) if args.keys else None,
            docker_manager=None if args.native_only else "auto",
            settings=settings,
        )
        started = self._session.start_provider(provider, keep_alive=bool(args.keep_alive))
        if full := provider.disk_shortage():
            print(f"{full} Jobs are taken as soon as there is.")  # noqa: T201 - an answer
        if local_address.is_silent(url):
            print(_nobody_at(url))  # noqa: T201 - an answer
        return started

    def _status(self, _: argparse.Namespace) -> Snapshot:
        return self._session.provider.snapshot()

    def _jobs(self, args: argparse.Namespace) -> object:
        jobs = Jobs(self._session.provider.snapshot().jobs)
        return jobs.to_pandas() if args.pandas else jobs

    def _why(self, _: argparse.Namespace) -> Why:
        provider = self._session.provider
        now = provider.snapshot()
        return Why(now.state, now.reason, provider.events())

    def _control(self, control: Callable[[Provider], None]) -> Snapshot:
        provider = self._session.provider
        control(provider)
        return provider.snapshot()


def _nobody_at(url: str) -> str:
    """Return what is said when a provider waits where no marketplace is."""
    return (
        f"No marketplace answers at {url}; the provider waits for one there. `%node3 market start` "
        "starts one on this machine; `%node3 stop`, then `%node3 start --marketplace URL` names "
        "another."
    )


def _already(running: Provider, wanted: str | None) -> str:
    """Return what is said when a provider is to be started while one runs."""
    url = running.snapshot().marketplace_url
    if wanted is None or config.origin(url) == config.origin(wanted):
        return f"A provider runs already, for {url}: this is it."
    return (
        f"A provider runs already, for {url} and not for {wanted}; this is it. To serve the other "
        "one, `%node3 stop`, then `%node3 start` again."
    )
