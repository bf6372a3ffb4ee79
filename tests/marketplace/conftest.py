from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from marketplace.market_parts import Market, SetClock

from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        tmp_path / "market", sweep_s=3600, max_artifact_bytes=4 << 20, max_log_bytes=1 << 20
    )


@pytest.fixture
def market(settings: Settings, clock: SetClock) -> Iterator[Market]:
    """A marketplace whose clock stands still, on a real port with a real database file."""
    with running(settings, clock) as url:
        market = Market(url, settings.data_dir)
        yield market
        market.close()
