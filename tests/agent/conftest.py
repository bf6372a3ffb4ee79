from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent.agent_parts import STRANGERS, Market
from support.base_marketplace import BaseMarketplace

from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings
from node3nb.provider import Provider


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    """One of our marketplaces, on a real port with a real database file."""
    settings = Settings(tmp_path / "market")
    with running(settings) as url:
        yield Market(url, settings.data_dir)


@pytest.fixture
def base() -> Iterator[BaseMarketplace]:
    """A marketplace that knows only the base table."""
    with BaseMarketplace() as running_one:
        yield running_one


@pytest.fixture(autouse=True)
def _no_provider_is_left() -> Iterator[None]:
    """Stop what a failed test has left running, for the next test's sake."""
    yield
    left = Provider.current()
    if left is not None:
        left.stop()


@pytest.fixture(autouse=True)
def _only_ours() -> None:
    """Leave out what earlier tests of this process keep, such as a shell's own executor."""
    STRANGERS.clear()
    STRANGERS.update(threading.enumerate())
