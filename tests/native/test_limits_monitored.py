"""The limits that a control group keeps are kept without one too, by measuring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from native.test_limits import memory
from support import needs
from support.native_jobs import GIB, MIB, Bench, limits, linux_only
from support.native_levels import at

from node3nb import NativeExecutor, supervisor_client
from node3nb.jobs import ExitReason, Isolation

SUPERVISOR = Path(__file__).parents[1] / "support" / "native_no_groups.py"
#: What measuring sees in time, and what it can't see and refuses.
WAYS = ("one", "many", "fast", "shared", "single", "leaderless", "given_back")
REFUSED = "file_in_memory"
pytestmark = [linux_only, at(Isolation.LIMITS, Isolation.NAMESPACES)]


@pytest.fixture(scope="module")
def executor(level: Isolation) -> Iterator[NativeExecutor]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor_client, "PROGRAM", SUPERVISOR)
        executor = needs.native(level)
    assert executor.available().memory_enforced_by == "monitor"
    yield executor
    executor.close()


@pytest.mark.parametrize("way", WAYS)
def test_too_much_memory(bench: Bench, way: str) -> None:
    result = memory(bench, way, 1024)
    assert result.reason is ExitReason.OUT_OF_MEMORY
    assert "192 MiB" in result.message
    assert result.usage.peak_memory_bytes < 1.1 * GIB
    assert result.memory_enforced_by == "monitor"
    assert "cgroup" not in result.layers


def test_file_in_memory_is_refused(bench: Bench) -> None:
    result = memory(bench, REFUSED, 1024)
    assert "memfd_create" in result.stderr
    assert "Function not implemented" in result.stderr


def test_memory_shared_after_a_fork_counts_once(bench: Bench) -> None:
    result = memory(bench, "forked", 100, 256)
    assert result.ok, result
    assert 100 * MIB < result.usage.peak_memory_bytes < 256 * MIB


def test_child_in_its_parents_address_space_counts_once(bench: Bench) -> None:
    assert memory(bench, "vforks", 130).ok


def test_sharing_is_no_disguise(bench: Bench) -> None:
    result = memory(bench, "disguised", 150, 256)
    assert result.reason is ExitReason.OUT_OF_MEMORY
    assert result.usage.peak_memory_bytes < 600 * MIB


@pytest.mark.parametrize("way", ["processes", "threads"])
def test_too_many_tasks(bench: Bench, way: str) -> None:
    caps = limits(processes=60, memory_bytes=GIB, timeout_s=1)
    result = bench.program("fork_bomb.py", way, limits=caps)
    if "own-user" in result.layers:
        assert result.usage.peak_processes <= 60
        assert "BlockingIOError" in result.stderr or "can't start new thread" in result.stderr
        return
    assert result.reason is ExitReason.SIGNALED
    assert "its limit is 60" in result.message
