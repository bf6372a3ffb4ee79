"""A disk without room fails the provider, not the job in its container, as it does natively."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from containers.conftest import POLICY, small_disk
from support.engines import PLAIN, Dockerd
from support.full_disks import full_for_a_while
from support.native_jobs import Bench
from support.small_disk import fill

from node3nb import DockerManager
from node3nb.jobs import ExitReason, JobState

WRITES = "open('/output/part', 'w').write('x' * 5000)"
CARELESS = f"import contextlib\nwith contextlib.suppress(OSError):\n    {WRITES}"
ITSELF = "open('/job/scratch', 'wb').write(bytes(64 << 20))"


@pytest.fixture
def area() -> Iterator[Path]:
    """Where jobs have their directories: a disk that takes less than a job's limit."""
    with small_disk("32m") as place:
        yield place


@pytest.mark.parametrize(
    "code", ["print('printed')", "print('printed'); raise SystemExit(3)", WRITES, CARELESS]
)
def test_it_is_said_to_be_full(manager: DockerManager, area: Path, code: str) -> None:
    fill(area / "ballast")
    result = Bench(manager, area).python(code)
    assert (result.reason, result.state) == (ExitReason.INTERNAL, JobState.FAILED), result
    assert "disk was full" in result.message


def test_a_job_that_fills_what_it_was_promised_has_done_nothing_wrong(
    manager: DockerManager, area: Path
) -> None:
    assert Bench(manager, area).python(ITSELF).reason is ExitReason.INTERNAL


@pytest.mark.parametrize("running", [False, True], ids=["before its start", "while it ran"])
def test_one_that_was_full_for_a_while_is_remembered(
    manager: DockerManager, area: Path, running: bool
) -> None:
    ballast = area / "ballast"
    result = full_for_a_while(
        Bench(manager, area), lambda: fill(ballast), ballast.unlink, running=running
    )
    assert result.reason is ExitReason.INTERNAL, result
    assert "disk was full" in result.message


def test_a_job_that_needed_no_room_is_completed(manager: DockerManager, area: Path) -> None:
    fill(area / "ballast")
    result = Bench(manager, area).run("true")
    assert result.ok, result


def test_it_is_the_engines(image_room: Path, tmp_path: Path) -> None:
    """A real dockerd whose own file system has no room for another container."""
    with small_disk("384m") as room, Dockerd(image_room, room) as small:
        small.have(PLAIN)
        manager = DockerManager(POLICY, hints=small.hints)
        try:
            assert manager.available().available
            fill(room / "ballast")
            result = Bench(manager, tmp_path).run("true")
        finally:
            (room / "ballast").unlink()
            manager.close()
    assert (result.reason, result.state) == (ExitReason.INTERNAL, JobState.FAILED), result
    assert "no space left" in result.message
