"""What becomes of the jobs when the process that owns them dies, forks or hangs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.native_jobs import linux_only, wait_until
from support.native_levels import once
from support.native_owner import owner
from support.native_traces import status

from node3nb.jobs import Isolation

pytestmark = linux_only


def test_killed(
    level: Isolation | None, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with owner(tmp_path, "sleep", isolation=level) as owned:
        owned.kill()
        record_property("seconds until all was gone", owned.await_end())
        wait_until(lambda: not (tmp_path / "place").exists())


@once
def test_ended_without_a_word(level: Isolation | None, tmp_path: Path) -> None:
    with owner(tmp_path, "leave", isolation=level) as owned:
        owned.process.wait()
        owned.await_end()


def test_interrupt_is_the_cells(level: Isolation | None, tmp_path: Path) -> None:
    """Ctrl-C in a notebook or a terminal never reaches what runs jobs: other session, deaf."""
    with owner(tmp_path, "sleep", isolation=level) as owned:
        ours = os.getsid(owned.process.pid)
        for pid in _below(owned.process.pid):
            assert os.getsid(pid) != ours
            if status(pid, pid, "NoNewPrivs") == "0":  # not a job's, present or to come
                assert int(status(pid, pid, "SigIgn"), 16) & 1 << signal.SIGINT - 1


def _below(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [below for child in map(int, children) for below in (child, *_below(child))]


@pytest.mark.parametrize("deed", ["fork", "fork_unseen"])
def test_fork_of_the_owner_keeps_no_job_alive(
    level: Isolation | None, tmp_path: Path, deed: str
) -> None:
    with owner(tmp_path, deed) as owned:
        child = owned.hear()["child"]
        try:
            owned.kill()
            owned.await_end()
            os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)


@once
def test_executor_in_a_fork_of_the_owner(level: Isolation | None, tmp_path: Path) -> None:
    with owner(tmp_path, "use_in_fork", isolation=level) as owned:
        assert owned.hear() == {"child_ok": True}
        assert owned.hear()["reason"] == "cancelled"


@once
def test_limits_hold_while_a_cell_holds_the_gil(level: Isolation | None, tmp_path: Path) -> None:
    with owner(tmp_path, "hold_gil", timeout_s=2, isolation=level) as owned:
        held_s = owned.hear()["held_s"]
        ended = owned.hear()
    assert ended["reason"] == "timed_out"
    assert ended["wall_s"] < held_s
