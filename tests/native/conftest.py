"""One executor for all tests of a worker, and a bench around it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from support.native_jobs import Bench

from node3nb import NativeExecutor

#: What an owner's environment holds and no job may see.
SECRET = "sk-owner-0123456789"


@pytest.fixture(scope="session")
def executor() -> Iterator[NativeExecutor]:
    os.environ["NODE3_TEST_SECRET"] = SECRET
    executor = NativeExecutor()
    yield executor
    executor.close()
    del os.environ["NODE3_TEST_SECRET"]


@pytest.fixture
def bench(executor: NativeExecutor, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(executor, tmp_path_factory.mktemp("area"))


@pytest.fixture
def own_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bench whose supervisor no other test needs."""
    executor = NativeExecutor()
    yield Bench(executor, tmp_path_factory.mktemp("area"))
    executor.close()
