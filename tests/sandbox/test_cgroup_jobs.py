"""Jobs whose limits the kernel holds: by real jobs in real control groups."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import needs
from support.native_jobs import MIB, Bench, limits, linux_only, wait_until

from node3nb import NativeExecutor
from node3nb.errors import SupervisorLost
from node3nb.jobs import ExitReason, Isolation, JobResult, JobState
from node3nb.supervisor.kernel import cgroup_mounts, cgroups

pytestmark = linux_only

LIMIT = 96 * MIB
#: A job that says when it has begun, and stays.
ENDLESS = "print('on', flush=True); import time; time.sleep(20)"
#: Ways to take more than the limit, each a program.
GREED = {
    "one process": "taken = bytearray(b'x') * (80 << 20); more = bytearray(b'x') * (60 << 20)",
    "many processes": """
import os, time
for _ in range(3):
    if not os.fork():
        break
taken = bytearray(b"x") * (40 << 20)
time.sleep(20)
""",
    "child that is not missed": """
import os
for _ in range(2):
    if not os.fork():
        taken = [bytearray(b"x") * (20 << 20) for _ in range(5)]
        os._exit(0)
    os.wait()
""",
    "file in memory": """
import os
file = os.memfd_create("x")
for _ in range(200):
    os.write(file, b"x" * (1 << 20))
""",
    "shared memory given back": """
import mmap
area = mmap.mmap(-1, 200 << 20)
for offset in range(0, 200 << 20, 1 << 20):
    area[offset : offset + (1 << 20)] = b"x" * (1 << 20)
    area.madvise(mmap.MADV_DONTNEED, offset, 1 << 20)
""",
    "files in /dev/shm": """
for number in range(200):
    with open(f"/dev/shm/{number}", "wb") as file:
        file.write(b"x" * (1 << 20))
""",
}


@pytest.fixture(scope="module", autouse=True)
def groups_can_be_made() -> None:
    found = cgroups.find()
    if isinstance(found, str):
        needs.miss(found)
    found.end()


@pytest.fixture(scope="module")
def executor() -> Iterator[NativeExecutor]:
    executor = NativeExecutor()
    yield executor
    executor.close()


@pytest.fixture
def own_bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench whose supervisor no other test needs."""
    executor = NativeExecutor()
    yield Bench(executor, tmp_path)
    executor.close()


@pytest.fixture
def bench(executor: NativeExecutor, tmp_path: Path) -> Bench:
    return Bench(executor, tmp_path)


def python(bench: Bench, code: str, **changes: float) -> JobResult:
    return bench.python(code, limits=limits(memory_bytes=LIMIT, timeout_s=30, **changes))


def directories_of(pid: int) -> list[Path]:
    """Return the directories of the groups of a process that are ours."""
    own = [cgroup_mounts.own_v1("/proc", controller) for controller in ("memory", "pids")]
    own = [directory for directory in (*own, cgroup_mounts.own_v2("/proc")) if directory]
    (home, name) = group_of(pid)
    beside = [parent for directory in own for parent in (directory, os.path.dirname(directory))]
    places = {Path(parent, home, name) for parent in beside}
    return [place for place in places if place.exists()]


def group_of(pid: int) -> tuple[str, str]:
    """Return the names of a provider's group and of the job's in it, for a process."""
    groups = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    ours = next(group for group in groups if "/node3nb-" in group)
    home, name = ours.split("/")[-2:]
    return home, name


@pytest.mark.parametrize("way", GREED)
def test_too_much_memory(bench: Bench, way: str) -> None:
    result = python(bench, GREED[way])
    assert (result.reason, result.state) == (ExitReason.OUT_OF_MEMORY, JobState.FAILED), result
    assert result.message.startswith("The job needed ")
    assert result.message.endswith("; its limit is 96 MiB.")
    assert LIMIT <= result.usage.peak_memory_bytes < LIMIT + 64 * MIB
    assert result.memory_enforced_by == "cgroup"
    assert "cgroup" in result.layers


def test_files_may_be_larger_than_memory(bench: Bench) -> None:
    """What the kernel keeps of them in memory is dropped, and is no memory of the job."""
    code = """
with open("large", "wb") as file:
    for _ in range(220):
        file.write(b"x" * (1 << 20))
with open("large", "rb") as file:
    while file.read(1 << 20):
        pass
"""
    result = python(bench, code)
    assert result.ok, result
    assert result.usage.peak_memory_bytes < 64 * MIB


def test_memory_within_the_limit_is_told(bench: Bench) -> None:
    code = "import time; taken = bytearray(b'x') * (60 << 20); time.sleep(0.5)"
    result = python(bench, code)
    assert result.ok, result
    assert 60 * MIB < result.usage.peak_memory_bytes < 90 * MIB


def test_shared_memory_within_the_limit_is_told(bench: Bench) -> None:
    code = """
import os, time
file = os.memfd_create("x")
for _ in range(60):
    os.write(file, b"x" * (1 << 20))
time.sleep(0.5)
"""
    result = python(bench, code)
    assert result.ok, result
    assert 60 * MIB < result.usage.peak_memory_bytes < 90 * MIB


def test_too_many_processes(bench: Bench) -> None:
    """The job gets as many as it may, and an error for the next."""
    code = """
import os, time
count = 1
try:
    while count < 60:
        if not os.fork():
            time.sleep(20)
        count += 1
except BlockingIOError:
    print(count)
"""
    result = bench.python(code, limits=limits(processes=24))
    assert result.ok, result
    assert result.stdout == "24\n"


@pytest.mark.parametrize("way", ["sleep", "file in memory"])
def test_group_goes_with_its_job(bench: Bench, way: str) -> None:
    """Whether it is cancelled or killed for its memory."""
    start = "import time; print('on', flush=True); time.sleep(0.5)"
    code = f"{start}\n{GREED.get(way, '')}\ntime.sleep(20)"
    with bench.started("python", "-c", code, limits=limits(memory_bytes=LIMIT)) as job:
        job.await_line("on")
        places = directories_of(job.main)
        assert places
        if way == "sleep":
            bench.executor.cancel(job.spec.job_id)
        assert not job.result().ok
    wait_until(lambda: not any(place.exists() for place in places))


def test_killed_keeper_leaves_no_group(tmp_path: Path) -> None:
    executor = NativeExecutor(Isolation.LIMITS)
    try:
        with Bench(executor, tmp_path).started("python", "-c", ENDLESS) as job:
            job.await_line("on")
            places = directories_of(job.main)
            assert places
            os.kill(int(places[0].name.removeprefix("job-")), signal.SIGKILL)
            assert job.result().reason is ExitReason.LOST
            wait_until(lambda: not any(place.exists() for place in places))
    finally:
        executor.close()


def test_killed_namespace_leaves_no_group(bench: Bench) -> None:
    with bench.started("python", "-c", ENDLESS) as job:
        job.await_line("on")
        places = directories_of(job.main)
        assert places
        os.kill(parent_of(job.main), signal.SIGKILL)
        assert job.result().signal == signal.SIGKILL
        wait_until(lambda: not any(place.exists() for place in places))


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_provider_leaves_no_group(own_bench: Bench) -> None:
    with own_bench.started("python", "-c", ENDLESS) as job:
        job.await_line("on")
        homes = [place.parent for place in directories_of(job.main)]
        assert homes
    own_bench.executor.close()
    wait_until(lambda: not any(home.exists() for home in homes))


def test_killed_supervisor_leaves_no_group_to_the_next(own_bench: Bench) -> None:
    with own_bench.started("python", "-c", ENDLESS) as job:
        job.await_line("on")
        homes = [place.parent for place in directories_of(job.main)]
        assert homes
        os.kill(int(homes[0].name.split("-")[1]), signal.SIGKILL)
        with pytest.raises(SupervisorLost):
            job.result()
    assert own_bench.python("print(1)").ok
    assert not any(home.exists() for home in homes)
