"""How far a job gets beyond its memory limit where no control group keeps it."""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from node3nb import JobSpec, NativeExecutor, supervisor_client
from node3nb.executor import SilentReporter
from node3nb.files import workspace
from node3nb.jobs import MIB, Isolation, JobResult, ResourceLimits

ROOT = Path(__file__).parents[1]
#: A supervisor that finds no control groups.
MONITORED = ROOT / "tests" / "support" / "native_no_groups.py"
GREED = ROOT / "tests" / "security" / "attacks" / "attacks_greed.py"
#: The attacks on the memory limit, and what a person calls them.
WAYS = {
    "memory_of_one": "one process",
    "memory_of_many": "eight processes",
    "memory_shared": "shared memory",
}
#: The jobs' limit, which they try to pass fourfold, and how often each does.
LIMITS = ResourceLimits(memory_bytes=128 * MIB, timeout_s=30)
TRIALS = 15
LEVELS = (Isolation.NAMESPACES, Isolation.LANDLOCK, Isolation.LIMITS)
#: Where the kernel's own count of a group's memory is kept, in version 1 of control groups.
CONTROLLER = Path("/sys/fs/cgroup/memory")


@dataclass(frozen=True, slots=True)
class _Counter:
    """A control group without a limit, in which all that is measured runs."""

    directory: Path

    def begin(self) -> int:
        """Forget the peak so far; return what is in use, in bytes."""
        (self.directory / "memory.max_usage_in_bytes").write_text("0")
        return int((self.directory / "memory.usage_in_bytes").read_text())

    def peak_bytes(self) -> int:
        return int((self.directory / "memory.max_usage_in_bytes").read_text())


def rows() -> list[tuple[str, str]]:
    """Return what was measured: a label and a value each."""
    supervisor, supervisor_client.PROGRAM = supervisor_client.PROGRAM, MONITORED
    try:
        with _counter() as counter, tempfile.TemporaryDirectory() as area:
            measured = [
                (level, way, _overshoots(level, way, Path(area), counter))
                for level, way in itertools.product(LEVELS, WAYS)
            ]
    finally:
        supervisor_client.PROGRAM = supervisor
    return [_row(level, way, figures, counter) for level, way, figures in measured]


def _row(
    level: Isolation, way: str, overshoots: list[float], counter: _Counter | None
) -> tuple[str, str]:
    by = "the kernel's count" if counter else "our own count"
    middle, worst = statistics.median(overshoots), max(overshoots)
    figure = f"{middle:6.0f} MiB (worst {worst:.0f}) over {LIMITS.memory_bytes / MIB:.0f}, by {by}"
    return f"memory of {WAYS[way]}, {level}", figure


def _overshoots(level: Isolation, way: str, area: Path, counter: _Counter | None) -> list[float]:
    executor = NativeExecutor(level)
    try:
        return [_overshoot(executor, way, area, counter) for _ in range(TRIALS)]
    finally:
        executor.close()


def _overshoot(executor: NativeExecutor, way: str, area: Path, counter: _Counter | None) -> float:
    """Return by how much one job was over its limit, in MiB."""
    executor.available()
    before = counter.begin() if counter else 0
    result = _attack(executor, way, area)
    peak = counter.peak_bytes() - before if counter else result.usage.peak_memory_bytes
    return (peak - LIMITS.memory_bytes) / MIB


def _attack(executor: NativeExecutor, way: str, area: Path) -> JobResult:
    programs = (GREED, GREED.with_name("attempt.py"))
    with workspace.temporary(area, "greedy") as place:
        spec = JobSpec(
            ("python", GREED.name, way),
            files={path.name: path.read_text() for path in programs},
            environment={"TARGETS": "{}"},
            limits=LIMITS,
        )
        place.write_files(spec)
        return executor.run(spec, place, SilentReporter())


@contextlib.contextmanager
def _counter() -> Iterator[_Counter | None]:
    """Have this process and its children counted, where we may make a group for that."""
    home = CONTROLLER / f"node3nb-bench-{os.getpid()}"
    before = _own_group()
    try:
        home.mkdir()
        (home / "cgroup.procs").write_text(str(os.getpid()))
    except OSError:
        yield None
        return
    try:
        yield _Counter(home)
    finally:
        (before / "cgroup.procs").write_text(str(os.getpid()))
        home.rmdir()


def _own_group() -> Path:
    """Return the directory of the group of memory that this process is in."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    names = (line.split(":", 2) for line in lines)
    return CONTROLLER / next((path[1:] for _, kind, path in names if kind == "memory"), "")


if __name__ == "__main__":
    print(f"load: {os.getloadavg()}")
    for label, value in rows():
        print(f"{label:52} {value}")
