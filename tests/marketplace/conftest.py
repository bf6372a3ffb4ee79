from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from marketplace.market_parts import FINAL, Market, SetClock, said

from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings


@pytest.fixture(scope="module")
def clock() -> SetClock:
    """The clock of the module's marketplace; it only ever goes forward."""
    return SetClock()


@pytest.fixture(scope="module")
def module_market(tmp_path_factory: pytest.TempPathFactory, clock: SetClock) -> Iterator[Market]:
    """A marketplace on a real port with a real database file; its clock stands still."""
    settings = small(tmp_path_factory.mktemp("market"))
    with running(settings, clock) as url:
        market = Market(url, settings.data_dir)
        yield market
        market.close()


@pytest.fixture
def market(module_market: Market) -> Iterator[Market]:
    """The module's marketplace, with no job left open by another test."""
    yield module_market
    admin = module_market.admin
    for job in said(admin.get("/api/jobs", params={"limit": 1000}))["jobs"]:
        if job["status"] not in FINAL:
            said(admin.post(f"/api/jobs/{job['job_id']}/cancel"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings for a marketplace that a test starts itself."""
    return small(tmp_path / "market")


def small(data_dir: Path) -> Settings:
    return Settings(data_dir, sweep_s=3600, max_artifact_bytes=4 << 20, max_log_bytes=1 << 20)
