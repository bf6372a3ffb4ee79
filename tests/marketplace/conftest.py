from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from marketplace.market_parts import FINAL, Market, SetClock, said
from support.postgresql import PostgreSQLServer

from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings


@pytest.fixture(scope="module")
def clock() -> SetClock:
    """The clock of the module's marketplace; it only ever goes forward."""
    return SetClock()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a module that names `DATABASES` on each of them."""
    kinds = getattr(metafunc.module, "DATABASES", None)
    if kinds and "kind_of_database" in metafunc.fixturenames:
        metafunc.parametrize("kind_of_database", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module")
def kind_of_database(request: pytest.FixtureRequest) -> str:
    """SQLite, unless the module names more."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture(scope="module")
def fresh_database(
    request: pytest.FixtureRequest, kind_of_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """Makes the URLs of empty databases of the kind."""
    if kind_of_database == "postgresql":
        server: PostgreSQLServer = request.getfixturevalue("postgresql")
        return server.fresh
    return lambda: f"sqlite:///{tmp_path_factory.mktemp('database') / 'market.db'}"


@pytest.fixture
def database_url(fresh_database: Callable[[], str]) -> str:
    """An empty database of the test's own."""
    return fresh_database()


@pytest.fixture(scope="module")
def module_market(
    tmp_path_factory: pytest.TempPathFactory, fresh_database: Callable[[], str], clock: SetClock
) -> Iterator[Market]:
    """A marketplace on a real port with a real database; its clock stands still."""
    settings = small(tmp_path_factory.mktemp("market"), fresh_database())
    with running(settings, clock) as url:
        market = Market(url, settings.data_dir, settings.database_url)
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
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings for a marketplace that a test starts itself."""
    return small(tmp_path / "market", database_url)


def small(data_dir: Path, database_url: str) -> Settings:
    return Settings(
        data_dir, database_url, sweep_s=3600, max_artifact_bytes=4 << 20, max_log_bytes=1 << 20
    )
