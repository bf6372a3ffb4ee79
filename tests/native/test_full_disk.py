"""A disk without room fails the provider, not the job: somebody else can run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.forked import forked, linux_only, root_only
from support.full_disks import full_for_a_while
from support.native_jobs import Bench
from support.small_disk import Disk

from node3nb import NativeExecutor
from node3nb.jobs import ExitReason, JobResult

WRITES = "import os; open(os.environ['OUTPUT_DIR'] + '/part', 'w').write('x' * 5000)"

pytestmark = [linux_only, root_only]


def on_small_disk(area: Path, act: Callable[[Bench, Disk], JobResult]) -> JobResult:
    """Return how a job ends whose directories are on a disk of their own."""

    def run() -> JobResult:
        disk = Disk(area)
        executor = NativeExecutor()
        executor.available()
        try:
            return act(Bench(executor, area), disk)
        finally:
            executor.close()

    return forked(run)


def on_full_disk(area: Path, act: Callable[[Bench], JobResult]) -> JobResult:
    """Return how a job ends on such a disk that has become full."""

    def run(jobs: Bench, disk: Disk) -> JobResult:
        disk.fill()
        return act(jobs)

    return on_small_disk(area, run)


@pytest.mark.parametrize(
    "code", ["print('printed')", "print('printed'); raise SystemExit(3)", WRITES]
)
def test_it_is_said_to_be_full(tmp_path: Path, code: str) -> None:
    result = on_full_disk(tmp_path, lambda jobs: jobs.python(code))
    assert result.reason is ExitReason.INTERNAL
    assert "disk was full" in result.message


def test_a_job_that_needed_no_room_is_completed(tmp_path: Path) -> None:
    result = on_full_disk(tmp_path, lambda jobs: jobs.run("true"))
    assert result.ok, result


@pytest.mark.parametrize("running", [False, True], ids=["before its start", "while it ran"])
def test_one_that_was_full_for_a_while_is_remembered(tmp_path: Path, running: bool) -> None:
    def act(jobs: Bench, disk: Disk) -> JobResult:
        return full_for_a_while(jobs, disk.fill, disk.free, running=running)

    result = on_small_disk(tmp_path, act)
    assert result.reason is ExitReason.INTERNAL, result
    assert "disk was full" in result.message
