"""A full disk: no more jobs until there is room, and what has been done is kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent.agent_parts import BOUND_S, eventually, provider, told
from support.base_faults import status
from support.base_marketplace import BaseMarketplace
from support.forked import linux_only, root_only

from node3nb import config
from node3nb.errors import DiskFull
from node3nb.jobs import MIB

pytestmark = [linux_only, root_only]

LEAST = 8 * MIB
WRITES = "import os; open(os.environ['OUTPUT_DIR'] + '/out', 'w').write('kept')"
#: Leaves outputs that can't be packed beside all else that is on a disk of 64 MiB.
LARGE = """
import os, pathlib
for name in (os.environ["OUTPUT_DIR"] + "/out", "scratch"):
    pathlib.Path(name).write_bytes(os.urandom(24 << 20))
"""


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The state directory, on a disk of its own."""
    place = tmp_path / "small"
    place.mkdir()
    options = ["-o", "size=64m,mode=0700", "tmpfs", str(place)]
    subprocess.run(["mount", "-t", "tmpfs", *options], check=True)
    monkeypatch.setenv("NODE3_HOME", str(place))
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path, leave: int = 0) -> Callable[[], None]:
    """Leave so many bytes of room; return what gives the rest back."""
    ballast = disk / "ballast"
    state = shutil.disk_usage(disk)
    with ballast.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, state.free - leave)
    return ballast.unlink


def test_no_job_is_taken_until_there_is_room(base: BaseMarketplace, disk: Path) -> None:
    base.inject("PUT /outputs/kept", *[status(500)] * 1000)
    kept = base.add_job(["python", "-c", WRITES], output_upload_url=base.output_url("kept"))
    with provider(base.url, min_free_bytes=LEAST) as running:
        eventually(lambda: base.calls_to("PUT /outputs/kept"))
        free = fill(disk, LEAST // 2)
        eventually(lambda: "is full" in running.snapshot().reason)
        assert str(disk) in running.snapshot().reason
        assert "is full" in running.disk_shortage()
        waiting = base.add_job(["true"])
        base.clear_faults()
        assert base.wait_for(kept, "completed", timeout_s=BOUND_S)
        assert base.outputs["kept"]
        assert base.jobs[waiting].status == "available"
        assert sum("is full" in event.text for event in running.events()) == 1
        free()
        assert base.wait_for(waiting, "completed", timeout_s=BOUND_S)
        assert told(running, "There is room on the disk again")
        assert running.disk_shortage() == ""


def test_it_fills_while_a_poll_waits(base: BaseMarketplace, disk: Path) -> None:
    """What a marketplace offers then is left to others."""
    with provider(base.url, min_free_bytes=LEAST) as running:
        eventually(lambda: "no job for this machine" in running.snapshot().reason)
        free = fill(disk)
        job_id = base.add_job(["true"])
        eventually(lambda: "is full" in running.snapshot().reason)
        assert not base.jobs[job_id].accepted
        free()
        assert base.wait_for(job_id, "completed", timeout_s=BOUND_S)


def test_a_start_on_a_full_disk_waits_for_room(base: BaseMarketplace, disk: Path) -> None:
    job_id = base.add_job(["true"])
    free = fill(disk, LEAST // 2)
    with provider(base.url, min_free_bytes=LEAST) as running:
        eventually(lambda: "is full" in running.snapshot().reason)
        free()
        assert base.wait_for(job_id, "completed", timeout_s=BOUND_S)


def test_a_start_without_any_room_says_so(base: BaseMarketplace, disk: Path) -> None:
    fill(disk)
    with pytest.raises(DiskFull, match=f"The disk of {disk} is full"), provider(base.url):
        pass


def test_outputs_are_packed_in_the_room_of_what_an_ended_job_leaves(
    base: BaseMarketplace, disk: Path
) -> None:
    job_id = base.add_job(["python", "-c", LARGE], output_upload_url=base.output_url("out"))
    with provider(base.url, min_free_bytes=LEAST):
        job = base.wait_for(job_id, "completed", "failed", timeout_s=BOUND_S)
    assert job.status == "completed"
    assert len(base.outputs["out"]) > 24 * MIB
    assert list(config.outbox_dir().iterdir()) == list(config.work_dir().iterdir()) == []


def test_a_run_says_which_disk_is_full(disk: Path) -> None:
    config.work_dir()
    fill(disk)
    command = [sys.executable, "-m", "node3nb", "run", "--", "true"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S, check=False)
    assert ended.returncode == 125
    assert ended.stderr.count("\n") == 1
    assert f"The disk of {disk}" in ended.stderr
    doctor = [sys.executable, "-m", "node3nb", "doctor"]
    found = subprocess.run(doctor, capture_output=True, text=True, timeout=BOUND_S, check=False)
    assert not found.stderr
    assert "0 B free for state" in found.stdout
    assert f"The disk of {disk}" in found.stdout
    assert "is full" in ended.stderr
