"""How fast native jobs start and how many run, beside the same without us."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from node3nb import JobSpec, NativeExecutor
from node3nb.executor import SilentReporter
from node3nb.files import workspace

#: Starts measured of each kind, one after the other in turns.
STARTS = 60
#: Jobs of each throughput row.
JOBS = 200
#: Prints when it starts, on the clock all processes share.
PROGRAM = "import time; print(time.monotonic_ns())"
Start = tuple[float, float]


def rows() -> list[tuple[str, str]]:
    """Return what was measured: a label and a value each."""
    executor = NativeExecutor()
    try:
        with tempfile.TemporaryDirectory() as area:
            bench = _Bench(executor, Path(area))
            bench.true()
            return _start_rows(bench) + _rate_rows(bench)
    finally:
        executor.close()


class _Bench:
    """Runs trivial jobs, each in a workspace of its own."""

    def __init__(self, executor: NativeExecutor, area: Path) -> None:
        self._executor = executor
        self._area = area
        self._names = itertools.count()

    def run(self, *command: str) -> str:
        spec = JobSpec(command)
        with workspace.temporary(self._area, f"work-{next(self._names)}") as place:
            result = self._executor.run(spec, place, SilentReporter())
        assert result.ok, result
        return result.stdout

    def true(self) -> None:
        self.run("/bin/true")

    def python(self) -> Start:
        return _timed(lambda: self.run("python", "-c", PROGRAM))


def _bare_python() -> Start:
    command = [sys.executable, "-c", PROGRAM]
    return _timed(
        lambda: subprocess.run(command, capture_output=True, check=True, text=True).stdout
    )


def _timed(run: Callable[[], str]) -> Start:
    """Return milliseconds to the program's first line and until it is reaped."""
    began = time.monotonic_ns()
    first = int(run())
    return (first - began) / 1e6, (time.monotonic_ns() - began) / 1e6


def _start_rows(bench: _Bench) -> list[tuple[str, str]]:
    pairs = [(_bare_python(), bench.python()) for _ in range(STARTS)]
    rows = []
    for index, moment in enumerate(("first line", "reaped")):
        bare = [pair[0][index] for pair in pairs]
        job = [pair[1][index] for pair in pairs]
        rows += [
            (f"bare python -c, {moment}", _spread(bare)),
            (f"native job python -c, {moment}", _spread(job)),
            (f"native ÷ bare, {moment}", f"{statistics.median(job) / statistics.median(bare):.2f}"),
        ]
    return rows


def _spread(values: list[float]) -> str:
    p99 = statistics.quantiles(values, n=100, method="inclusive")[98]
    return f"{statistics.median(values):.1f} ms (p99 {p99:.1f})"


def _rate_rows(bench: _Bench) -> list[tuple[str, str]]:
    bare = _rate(1, lambda: subprocess.run(["/bin/true"], check=True))
    rows = [("bare subprocess.run(true)", f"{bare:.0f} /s")]
    for threads in (1, 2):
        rate = _rate(threads, bench.true)
        label = f"native /bin/true, {threads} thread{'s' * (threads > 1)}"
        rows += [(label, f"{rate:.0f} /s"), (f"{label} ÷ bare", f"{rate / bare:.2f}")]
    return rows


def _rate(threads: int, run: Callable[[], object]) -> float:
    def work() -> None:
        for _ in range(JOBS // threads):
            run()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return JOBS / (time.perf_counter() - began)


if __name__ == "__main__":
    print(f"load: {os.getloadavg()}")
    for label, value in rows():
        print(f"{label:40} {value}")
