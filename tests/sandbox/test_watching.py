"""How a job's tree is measured and held still."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from support.forked import forked
from support.native_jobs import MIB, linux_only, wait_until
from support.orders import native
from support.short_lived import child, sleep

from node3nb.supervisor import limits, proc, tree, watch
from node3nb.supervisor.orders import Grant, Order
from node3nb.supervisor.watch import Watch

pytestmark = linux_only
#: More than a test run has, engines and browsers included: it is measured as if it were a job.
PROCESSES = 10_000


def order(memory_bytes: int = 256 * MIB) -> Order:
    return native(Path("/nowhere"), memory_bytes=memory_bytes, processes=PROCESSES)


def state(pid: int) -> bool:
    process = proc.look(pid)
    return process is not None and process.stopped


def test_who_was_stopped_before_stays_so() -> None:
    with child(sleep) as stopped, child(sleep) as running:
        os.kill(stopped, signal.SIGSTOP)
        wait_until(lambda: state(stopped))
        processes, held = tree.stop_below(os.getpid())
        assert {stopped, running} <= {each.pid for each in processes}
        wait_until(lambda: state(running))
        tree.go_on(held)
        wait_until(lambda: not state(running))
        assert state(stopped)


def test_close_to_its_limit_a_job_is_looked_at_more_often() -> None:
    measured = Watch(order(), os.getpid())
    assert measured.pause_s == watch.TREE_S
    measured.memory_bytes = 250 * MIB
    assert watch.NEAR_S <= measured.pause_s < watch.TREE_S / 10


def test_innocent_tree_goes_on() -> None:
    """What seems too much, since pages are shared, is held still only until that is known."""

    def watched() -> None:
        with pytest.MonkeyPatch.context() as patch, child(sleep) as running:
            measured = Watch(order(64 * MIB), os.getpid())
            patch.setattr(measured._gauge, "estimate", lambda *_: 65 * MIB)
            patch.setattr(measured._gauge, "confirm", lambda *_: MIB)
            assert measured.check(time.monotonic()) is None
            wait_until(lambda: not state(running))

    forked(watched)


def test_own_users_processes_are_counted_without_slack() -> None:
    grant = Grant((), owner_tasks=100)
    counted = limits.resource.RLIMIT_NPROC
    assert limits.of(order(), grant, own_user=True)[counted] == PROCESSES
    assert limits.of(order(), grant)[counted] == PROCESSES + 100 + limits.OWNER_TASKS
