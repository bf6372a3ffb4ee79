"""Keepers come and go, and nothing stays of them."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support import needs
from support.native_jobs import linux_only, wait_until

from node3nb import NativeExecutor, supervisor_client
from node3nb.jobs import Isolation
from node3nb.supervisor.warm.nursery import Nursery

SUPERVISOR = Path(__file__).parents[1] / "support" / "native_mute_keepers.py"
pytestmark = linux_only


@pytest.fixture(scope="module")
def executor() -> Iterator[NativeExecutor]:
    """At a level where the warm Python forks keepers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor_client, "PROGRAM", SUPERVISOR)
        executor = needs.native(Isolation.LIMITS)
    yield executor
    executor.close()


def test_keeper_that_ends_unnamed_is_buried(executor: NativeExecutor) -> None:
    assert executor._client is not None
    numbers = Path(tempfile.gettempdir()) / f"n3-mute-{executor._client.pid}"
    wait_until(numbers.exists)
    wait_until(lambda: numbers.read_text().endswith("\n"))
    parked = int(numbers.read_text().split()[0])
    wait_until(lambda: not psutil.pid_exists(parked))
    numbers.unlink()


def test_a_warm_python_that_a_hunt_for_strays_has_buried_is_forgotten() -> None:
    nursery = Nursery(sys.executable, ())
    (warm,) = nursery.pids
    nursery.close()
    os.waitpid(warm, 0)
    nursery.reap()
    assert not nursery.leaving
