"""What the magics of one notebook hold: an executor, a marketplace, the provider."""

from __future__ import annotations

import atexit
import os
from pathlib import Path

from node3nb import config
from node3nb.errors import ConfigError, NotRunning
from node3nb.marketplace import process
from node3nb.marketplace.client import MarketplaceClient
from node3nb.marketplace.process import MarketplaceProcess
from node3nb.native_executor import NativeExecutor
from node3nb.provider import Provider


class Session:
    """Everything that ends with the notebook, or when the magics are unloaded."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._executor: NativeExecutor | None = None
        self._market: MarketplaceProcess | None = None
        self._provider: Provider | None = None
        atexit.register(self.close)

    def close(self) -> None:
        """End it all; a process forked by a cell ends nothing of ours."""
        atexit.unregister(self.close)
        if os.getpid() != self._pid:
            return
        if (provider := Provider.current()) is not None:
            provider.stop()
        if self._executor is not None:
            self._executor.close()
            self._executor = None
        if self._market is not None:
            self._market.stop()
            self._market = None

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

    def start_provider(self, provider: Provider) -> Provider:
        """Start a provider and remember it."""
        self._provider = provider.start()
        return provider

    def marketplace_url(self, given: str | None) -> str:
        """Return the marketplace meant: the one named, our own, or the usual one."""
        if given is None and self.market is not None:
            return self.market.url
        return config.marketplace_url(given)

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
