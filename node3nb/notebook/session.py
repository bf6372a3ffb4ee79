"""What the magics of one notebook hold: an executor, a marketplace, the provider."""

from __future__ import annotations

import atexit
import os
from pathlib import Path
from typing import Any

from node3nb import config
from node3nb.containers.policy import ContainerPolicy
from node3nb.docker_manager import DockerManager
from node3nb.errors import ConfigError, NotRunning
from node3nb.marketplace import process
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.process import MarketplaceProcess
from node3nb.native_executor import NativeExecutor
from node3nb.notebook.cell_run import CellRun
from node3nb.notebook.history import History
from node3nb.notebook.keep_alive import KeepAlive
from node3nb.notebook.preferences import Node3
from node3nb.provider import Provider


class Session:
    """Everything that ends with the notebook, or when the magics are unloaded.

    Parameters
    ----------
    chosen
        What its owner likes.
    kernel
        The kernel it runs in; None for a shell in a terminal.
    """

    def __init__(self, chosen: Node3, kernel: Any = None) -> None:
        self._pid = os.getpid()
        self._executor: NativeExecutor | None = None
        self._container: DockerManager | None = None
        self._market: MarketplaceProcess | None = None
        self._provider: Provider | None = None
        self._keep_alive: KeepAlive | None = None
        self._chosen = chosen
        self._kernel = kernel
        #: The cells that were sent off as jobs.
        self.history = History()
        atexit.register(self.close)

    def close(self) -> None:
        """End it all; a process forked by a cell ends nothing of ours."""
        atexit.unregister(self.close)
        if os.getpid() != self._pid:
            return
        if self._keep_alive is not None:
            self._keep_alive.stop()
            self._keep_alive = None
        if (provider := Provider.current()) is not None:
            provider.stop()
        if self._executor is not None:
            self._executor.close()
            self._executor = None
        if self._container is not None:
            self._container.close()
            self._container = None
        if self._market is not None:
            self._market.stop()
            self._market = None

    @property
    def container(self) -> DockerManager:
        """What runs this notebook's own cells in images: any, as their owner names them."""
        if self._container is None:
            policy = ContainerPolicy(own_images=("*",), registries=("*",))
            self._container = DockerManager(policy, prepare=False)
        return self._container

    @property
    def executor(self) -> NativeExecutor:
        """What runs this notebook's own cells."""
        if self._executor is None:
            self._executor = NativeExecutor()
        return self._executor

    @property
    def provider(self) -> Provider:
        """The provider that runs here, or the one that ran last.

        Raises
        ------
        NotRunning
            None has.
        """
        current = Provider.current() or self._provider
        if current is None:
            raise NotRunning
        self._provider = current
        return current

    @property
    def last_provider(self) -> Provider | None:
        """The provider that ran last, which may have ended."""
        return self._provider

    @property
    def market(self) -> MarketplaceProcess | None:
        """The marketplace this notebook has started, if it lives."""
        market = self._market
        return market if market is not None and market.alive else None

    def start_market(self, data_dir: Path | None, port: int) -> MarketplaceProcess:
        """Start a marketplace of this notebook's own.

        Raises
        ------
        ConfigError, MarketplaceUnreachable
            Why it does not start.
        """
        self._market = process.start(data_dir or config.state_dir() / "marketplace", port)
        return self._market

    def stop_market(self) -> None:
        """End it; there may be none."""
        if self._market is not None:
            self._market.stop()
            self._market = None

    def start_provider(self, provider: Provider, *, keep_alive: bool) -> Provider:
        """Start a provider and remember it.

        Parameters
        ----------
        keep_alive
            Whether its jobs keep an idle server from ending this kernel.
        """
        self._provider = provider.start()
        if keep_alive:
            self.keep_alive()
        return provider

    def keep_alive(self) -> None:
        """Keep an idle server from ending this kernel, as long as jobs run."""
        if self._keep_alive is None:
            self._keep_alive = KeepAlive(self._kernel, self._working, self._chosen.keep_alive_s)

    def _working(self) -> bool:
        """Whether a job runs for this notebook, a stranger's or one of its own cells."""
        provider = Provider.current()
        jobs = provider.snapshot().jobs if provider is not None else ()
        if any(not job.state.final for job in jobs):
            return True
        runs = (sent.job for sent in self.history)
        return any(run.running for run in runs if isinstance(run, CellRun))

    def marketplace_url(self, given: str | None) -> str:
        """Return the marketplace meant: the one named, our own, or the usual one."""
        wanted = given or self._chosen.marketplace
        if not wanted and self.market is not None:
            return self.market.url
        return config.marketplace_url(wanted)

    def key(self, kind: str, url: str, given: Path | None) -> str:
        """Return the key for a marketplace; empty when there is none.

        Raises
        ------
        ConfigError
            The file of keys that was named can't be read.
        """
        market = self.market
        if given is None and market is not None and self.is_ours(url):
            given = market.keys_file
        return config.key(kind, url, given)

    def is_ours(self, url: str) -> bool:
        """Whether a marketplace is the one this notebook has started."""
        market = self.market
        return market is not None and config.origin(url) == config.origin(market.url)

    def consumer(
        self, given_url: str | None, keys_file: Path | None, *, allow_insecure_http: bool
    ) -> MarketplaceClient:
        """Return a marketplace to submit jobs to.

        Raises
        ------
        ConfigError
            Its URL can't be used, or there is no key for it.
        """
        url = self.marketplace_url(given_url)
        key = self.key("consumer", url, keys_file)
        if not key:
            raise ConfigError(
                f"There is no key to submit jobs to {url} with; set NODE3_CONSUMER_KEY, or name "
                "the marketplace's file of keys with --keys FILE."
            )
        return MarketplaceClient(url, key, allow_insecure_http=allow_insecure_http)
