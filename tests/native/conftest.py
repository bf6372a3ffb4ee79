"""One executor for each isolation level and worker, and a bench around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.conftest import LEVELS
from support import needs
from support.native_jobs import Bench

from node3nb import NativeExecutor
from node3nb.jobs import Isolation


@pytest.fixture(scope="session", params=LEVELS)
def level(request: pytest.FixtureRequest) -> Isolation | None:
    """The level jobs run at; None for the strongest there is."""
    chosen: Isolation | None = request.param
    return chosen


@pytest.fixture(scope="session")
def executor(level: Isolation | None) -> Iterator[NativeExecutor]:
    executor = needs.native(level)
    yield executor
    executor.close()


@pytest.fixture(scope="session")
def area(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the workspaces are: one directory, as a provider has, so that sandboxes wait."""
    return tmp_path_factory.mktemp("area")


@pytest.fixture
def bench(executor: NativeExecutor, area: Path) -> Bench:
    return Bench(executor, area)


@pytest.fixture
def own_bench(level: Isolation | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bench whose supervisor no other test needs."""
    executor = needs.native(level)
    yield Bench(executor, tmp_path_factory.mktemp("area"))
    executor.close()
