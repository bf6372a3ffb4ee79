"""However a job ends, nothing of it is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import psutil
import pytest
from support.native_jobs import (
    PATIENCE_S,
    Bench,
    Started,
    limits,
    linux_only,
    wait_until,
)
from support.native_levels import at

from node3nb import supervisor_client
from node3nb.errors import SupervisorLost
from node3nb.jobs import ExitReason, Isolation
from node3nb.supervisor_client import SupervisorClient

pytestmark = linux_only
LONG_GRACE = limits(grace_s=PATIENCE_S)


def test_stopped_job_hears_that_it_is_asked(bench: Bench) -> None:
    with bench.started_program("stubborn.py", "stopped", limits=LONG_GRACE) as job:
        job.await_line("ready")
        wait_until(lambda: _stopped(job.main))
        bench.executor.cancel(job.spec.job_id)
        result = job.result()
    assert (result.reason, result.signal) == (ExitReason.CANCELLED, signal.SIGTERM)


def _stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"


@at(Isolation.LIMITS)
@pytest.mark.parametrize("group", ["", "group"])
def test_job_that_kills_its_keeper(bench: Bench, group: str) -> None:
    """The one job is lost, its daemon gone; the others don't notice."""
    with bench.started_program("stubborn.py", "polite", limits=LONG_GRACE) as other:
        other.await_line("ready")
        with bench.started_program("keeper_attacks.py", "SIGKILL", group, "known") as job:
            wait_until(job.listener.running.is_set)
            (job.workspace.job / "known").touch()
            result = job.result()
            assert job.trace.living() == []
        assert result.reason is ExitReason.LOST
        assert "SIGKILL" in result.message
        assert result.started_at is not None
        assert not other.outcome.done()
        bench.executor.cancel(other.spec.job_id)
        assert other.result().exit_code == 3


@at(Isolation.LIMITS)
def test_job_that_stops_its_keeper(bench: Bench) -> None:
    """Nobody would keep its limits any more, so it ends."""
    assert bench.program("keeper_attacks.py", "SIGSTOP").reason is ExitReason.LOST


@at(Isolation.LANDLOCK, Isolation.NAMESPACES)
@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGSTOP"])
def test_job_that_can_not_reach_its_keeper(bench: Bench, signal_name: str) -> None:
    """What it calls its parent is out of its reach, or the deaf first process of its namespace."""
    result = bench.program("keeper_attacks.py", signal_name, limits=limits(timeout_s=1))
    assert result.stdout == "ready\n"
    assert result.reason in {ExitReason.EXITED, ExitReason.TIMED_OUT}
    assert result.exit_code != 0


def test_close_ends_everything(own_bench: Bench) -> None:
    with (
        own_bench.started_program("daemons.py", "leaves", "stay") as one,
        own_bench.started_program("stubborn.py", "deaf") as two,
    ):
        one.await_line("ready")
        two.await_line("ready")
        own_bench.executor.close()
        _assert_lost(one, two)
        assert not one.workspace.root.exists()


def test_supervisor_killed(own_bench: Bench) -> None:
    _kill_and_see(own_bench, lambda client, _: [client.pid])


def test_guard_killed(own_bench: Bench) -> None:
    _kill_and_see(own_bench, lambda client, _: [client._process.pid])


def test_keeper_and_supervisor_killed(own_bench: Bench) -> None:
    """Above them stands one more that adopts what they had adopted."""
    _kill_and_see(own_bench, lambda client, main: [*_above(main, client.pid), client.pid])


def test_next_supervisor_ends_what_is_left_of_one_that_was_killed_with_all_around_it(
    own_bench: Bench,
) -> None:
    client = own_bench.executor._client  # type: ignore[attr-defined]
    with own_bench.started_program("daemons.py", "leaves", "stay") as job:
        job.await_line("ready")
        victims = [*_above(job.main, client.pid), client.pid, client._process.pid]
        _kill(victims)
        with pytest.raises(SupervisorLost):
            job.result()
        own_bench.executor.available()
        assert job.trace.living() == []


def test_close_ends_a_supervisor_that_was_stopped(
    own_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_client, "CLOSE_S", 0.3)
    client = own_bench.executor._client  # type: ignore[attr-defined]
    with own_bench.started_program("daemons.py", "leaves", "stay") as job:
        job.await_line("ready")
        os.kill(client.pid, signal.SIGSTOP)
        own_bench.executor.close()
        _assert_lost(job)
    assert not psutil.pid_exists(client.pid)


def _kill_and_see(bench: Bench, victims: Callable[[SupervisorClient, int], list[int]]) -> None:
    with bench.started_program("daemons.py", "leaves", "stay") as job:
        job.await_line("ready")
        _kill(victims(bench.executor._client, job.main))  # type: ignore[attr-defined]
        with pytest.raises(SupervisorLost):
            job.result()
        wait_until(lambda: not job.trace.living())
    assert bench.run("true").ok


def _above(pid: int, top: int) -> list[int]:
    """Return the processes between one and another above it: the keeper and what it forked."""
    parents = [each.pid for each in psutil.Process(pid).parents()]
    return parents[: parents.index(top)]


def _kill(pids: list[int]) -> None:
    """Kill processes before any of them can notice the end of another.

    Given from the lowest up; they are stopped from above, since who is above kills who is stopped.
    """
    for pid in reversed(pids):
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda pid=pid: _stopped(pid))  # type: ignore[misc]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def _assert_lost(*jobs: Started) -> None:
    for job in jobs:
        with pytest.raises(SupervisorLost):
            job.result()
        assert job.trace.living() == []
