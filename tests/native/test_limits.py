"""Each limit is the whole job's, and passing it is named in the result."""

from __future__ import annotations

import time

import pytest
from support.native_jobs import GIB, MIB, Bench, limits, linux_only

from node3nb.jobs import ExitReason, JobResult, Start

pytestmark = linux_only


def memory(
    bench: Bench, way: str, mib: int, limit_mib: int = 192, start: Start = Start.AUTO
) -> JobResult:
    caps = limits(memory_bytes=limit_mib * MIB, disk_bytes=4 * GIB)
    return bench.program("memory.py", way, str(mib), limits=caps, start=start)


def test_refused_allocation_that_the_program_survives(bench: Bench) -> None:
    result = memory(bench, "survives", 1024)
    assert result.ok, result
    assert result.stdout == "refused\n"


@pytest.mark.parametrize("start", Start)
def test_memory_shared_after_a_fork_counts_once(bench: Bench, start: Start) -> None:
    result = memory(bench, "forked", 100, 256, start)
    assert result.ok, result
    assert 100 * MIB < result.usage.peak_memory_bytes < 256 * MIB
    assert result.usage.peak_processes == 9


def test_child_in_its_parents_address_space_counts_once(bench: Bench) -> None:
    assert memory(bench, "vforks", 130).ok


def test_sharing_is_no_disguise(bench: Bench) -> None:
    """What was shared once does not make room for what is not."""
    result = memory(bench, "disguised", 150, 256)
    assert result.reason is ExitReason.OUT_OF_MEMORY
    assert result.usage.peak_memory_bytes < 600 * MIB


def test_job_too_short_to_be_measured_has_a_peak_all_the_same(bench: Bench) -> None:
    assert MIB / 2 < bench.run("true").usage.peak_memory_bytes < 256 * MIB
    assert MIB / 2 < bench.python("pass").usage.peak_memory_bytes < 256 * MIB


def test_limit_also_ends_a_job_that_is_on_its_way_out(bench: Bench) -> None:
    """A job that was asked to end has not got its grace for eating memory."""
    code = (
        "import signal, time\n"
        "def eat(*_):\n"
        "    taken = bytearray()\n"
        "    while True: taken += b'x' * (1 << 20)\n"
        "signal.signal(signal.SIGTERM, eat)\n"
        "time.sleep(60)\n"
    )
    began = time.monotonic()
    result = bench.python(code, limits=limits(timeout_s=0.5, grace_s=60, memory_bytes=100 * MIB))
    assert result.reason is ExitReason.TIMED_OUT
    assert time.monotonic() - began < 55
