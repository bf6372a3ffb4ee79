"""However a job ends, and whatever it takes too much of: named, and nothing of it is left."""

from __future__ import annotations

import signal

import pytest
from contract.conftest import ENGINES, LEVELS
from support.native_jobs import GIB, MIB, PATIENCE_S, Bench, limits, linux_only, printed

from node3nb.jobs import ExitReason, JobState

pytestmark = linux_only
LONG_GRACE = limits(grace_s=PATIENCE_S)


@pytest.fixture(scope="module", params=(*LEVELS, *ENGINES))
def kind(request: pytest.FixtureRequest) -> str:
    """The isolation level of native jobs, or the engine: none of this depends on it."""
    return str(request.param)


@pytest.mark.parametrize("way", ["holds_stdout", "leaves", "reforks", "leaderless", "many"])
def test_daemons_end_with_the_main_process(bench: Bench, way: str) -> None:
    result = bench.program("daemons.py", way)
    assert printed(result) == "ready\n"


@pytest.mark.parametrize("way", ["leaves", "reforks", "leaderless"])
def test_daemons_end_when_the_job_is_cancelled(bench: Bench, way: str) -> None:
    with bench.started_program("daemons.py", way, "stay") as job:
        job.await_line("ready")
        bench.executor.cancel(job.spec.job_id)
        assert job.result().state is JobState.CANCELLED
        assert job.trace.living() == []


def test_polite_job_is_asked(bench: Bench) -> None:
    with bench.started_program("stubborn.py", "polite", limits=LONG_GRACE) as job:
        job.await_line("ready")
        bench.executor.cancel(job.spec.job_id)
        result = job.result()
    assert (result.reason, result.exit_code) == (ExitReason.CANCELLED, 3)
    assert result.stdout.splitlines() == ["ready", "asked"], result


def test_deaf_job_is_killed(bench: Bench) -> None:
    with bench.started_program("stubborn.py", "deaf") as job:
        job.await_line("ready")
        bench.executor.cancel(job.spec.job_id)
        bench.executor.cancel(job.spec.job_id)
        result = job.result()
    assert (result.reason, result.signal) == (ExitReason.CANCELLED, signal.SIGKILL)


def test_cancelled_before_it_starts(bench: Bench) -> None:
    result = bench.run("sleep", "60", prepare=lambda job: job.listener.cancelled.set())
    assert (result.state, result.reason) == (JobState.CANCELLED, ExitReason.CANCELLED)


def test_cancel_of_nobody(bench: Bench) -> None:
    bench.executor.cancel("never-heard-of")
    result = bench.run("true")
    assert result.ok, result.message


@pytest.mark.parametrize("way", ["polite", "deaf"])
def test_wall_clock(bench: Bench, way: str) -> None:
    result = bench.program("stubborn.py", way, limits=limits(timeout_s=0.5))
    assert (result.reason, result.state) == (ExitReason.TIMED_OUT, JobState.FAILED)
    assert "0.5 s" in result.message
    assert result.wall_s >= 0.5


@pytest.mark.parametrize(
    "way", ["one", "many", "fast", "shared", "single", "leaderless", "given_back", "file_in_memory"]
)
def test_too_much_memory(bench: Bench, way: str) -> None:
    caps = limits(memory_bytes=192 * MIB, disk_bytes=4 * GIB)
    result = bench.program("memory.py", way, "1024", limits=caps)
    assert (result.reason, result.state) == (ExitReason.OUT_OF_MEMORY, JobState.FAILED)
    assert "192 MiB" in result.message
    assert result.usage.peak_memory_bytes < 1.1 * GIB


@pytest.mark.parametrize("way", ["processes", "threads"])
def test_too_many_tasks(bench: Bench, way: str) -> None:
    """A control group, or a user of its own, refuses too much; without one the job ends for it."""
    caps = limits(processes=60, memory_bytes=GIB, timeout_s=1)
    result = bench.program("fork_bomb.py", way, limits=caps)
    if {"cgroup", "own-user"} & set(result.layers):
        assert result.usage.peak_processes <= 60
        assert "BlockingIOError" in result.stderr or "can't start new thread" in result.stderr
    else:
        assert result.reason is ExitReason.SIGNALED
        assert "its limit is 60" in result.message


@pytest.mark.parametrize("way", ["pieces", "one_file", "long_path", "closed", "removed"])
def test_too_many_bytes_on_disk(bench: Bench, way: str) -> None:
    result = bench.program("disk.py", way, limits=limits(disk_bytes=64 * MIB))
    assert (result.reason, result.state) == (ExitReason.DISK_LIMIT, JobState.FAILED)
    assert "64 MiB" in result.message or "limit of bytes" in result.message


def test_too_many_files(bench: Bench) -> None:
    result = bench.program("disk.py", "files", limits=limits(disk_files=1000))
    assert result.reason is ExitReason.DISK_LIMIT
    assert "its limit is 1000" in result.message


def test_too_deep(bench: Bench) -> None:
    result = bench.program("disk.py", "deep")
    assert result.reason is ExitReason.DISK_LIMIT
    assert "deeper than 100" in result.message


@pytest.mark.parametrize("way", ["sparse", "linked"])
def test_what_takes_no_room_is_not_charged(bench: Bench, way: str) -> None:
    result = bench.program("disk.py", way, limits=limits(disk_bytes=64 * MIB))
    assert result.ok, result
    assert result.usage.written_bytes < MIB
