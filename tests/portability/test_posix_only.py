"""Native jobs with POSIX calls only, as on macOS: no /proc, no prctl, no pidfd, no epoll."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.native_jobs import (
    GIB,
    MIB,
    Bench,
    limits,
    linux_only,
    wait_until,
)
from support.native_owner import owner

from node3nb import NativeExecutor, supervisor_client
from node3nb.jobs import ExitReason

pytestmark = linux_only
SUPERVISOR = Path(__file__).parents[1] / "support" / "native_posix_only.py"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(supervisor_client, "PROGRAM", SUPERVISOR)
    executor = NativeExecutor()
    yield Bench(executor, tmp_path)
    executor.close()


def test_job_runs(bench: Bench) -> None:
    assert bench.executor.available().isolation == "limits"
    result = bench.run("python", "a.py", files={"a.py": "print('here')"})
    assert result.ok, result
    assert result.stdout == "here\n"
    assert bench.run("false").exit_code == 1
    assert bench.run("no-such-program").exit_code == 127


def test_limits(bench: Bench) -> None:
    caps = limits(memory_bytes=192 * MIB, timeout_s=2)
    result = bench.program("memory.py", "one", "1024", limits=caps)
    assert result.reason is ExitReason.OUT_OF_MEMORY
    result = bench.program("stubborn.py", "deaf", limits=caps)
    assert result.reason is ExitReason.TIMED_OUT
    result = bench.program(
        "fork_bomb.py", "processes", limits=limits(processes=60, memory_bytes=8 * GIB)
    )
    assert result.reason is ExitReason.SIGNALED


def test_daemon_that_was_seen_ends_with_its_job(bench: Bench) -> None:
    """It hangs from init when it is to be found: only its group tells whose it is."""
    with bench.started_program("daemons.py", "leaves_slowly") as job:
        wait_until(lambda: len(job.trace.living()) == 3)
        looks = len(job.listener.usages)
        wait_until(lambda: len(job.listener.usages) > looks + 1)
        (job.workspace.job / "go").touch()
        assert job.result().ok
        assert job.trace.living() == []


def test_cancel(bench: Bench) -> None:
    with bench.started_program("stubborn.py", "deaf") as job:
        job.await_line("ready")
        bench.executor.cancel(job.spec.job_id)
        assert job.result().reason is ExitReason.CANCELLED
        assert job.trace.living() == []


def test_keeper_killed(bench: Bench) -> None:
    with bench.started_program("stubborn.py", "deaf") as job:
        job.await_line("ready")
        (main,) = job.trace.living()
        stat = Path(f"/proc/{main}/stat").read_text().rpartition(")")[2].split()
        os.kill(int(stat[1]), signal.SIGKILL)
        assert job.result().reason is ExitReason.LOST
        assert job.trace.living() == []


@pytest.mark.parametrize("deed", ["sleep", "fork_unseen"])
def test_owner_killed(tmp_path: Path, deed: str) -> None:
    """Even while a fork of it holds the socket open."""
    with owner(tmp_path, deed, supervisor=str(SUPERVISOR)) as owned:
        child = owned.hear()["child"] if deed == "fork_unseen" else 0
        try:
            owned.kill()
            owned.await_end()
        finally:
            if child:
                os.kill(child, signal.SIGKILL)
