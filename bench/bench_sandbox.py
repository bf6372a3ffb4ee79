"""How fast sandboxed jobs start and how many run, beside the same without us, in turns."""

from __future__ import annotations

import itertools
import os
import shutil
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
from node3nb.jobs import MIB, Isolation, Start
from node3nb.supervisor.kernel import cgroups, landlock

#: Starts measured of each kind, one after the other in turns; of those that take long, fewer.
STARTS, SLOW_STARTS = 60, 15
#: Jobs of each rate.
JOBS = 200
#: Seconds between two starts: a sandbox is built ahead in that time, as between a provider's jobs.
PAUSE_S = 0.06
#: Prints when it starts, on the clock all processes share.
LINE = "import time; print(time.monotonic_ns(), flush=True)"
NUMPY = f"import numpy; {LINE}"
#: Work in user space, and work that is all system calls; each prints its seconds.
COUNTING = "sum(i * i for i in range(3_000_000))"
CALLING = "[os.stat('/') for _ in range(60_000)]"
TIMED = "import os, time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"
#: A start by a container engine, and the empty image for it.
CONTAINED, IMAGE = "docker run python -c", "node3nb-bench:empty"
#: First line and reaped, in milliseconds since it was asked for.
Moments = tuple[float, float]


def rows() -> list[tuple[str, str]]:
    """Return what was measured: a label and a value each."""
    with tempfile.TemporaryDirectory() as area:
        plain = _Bench(Path(area), NativeExecutor())
        loaded = _Bench(Path(area), NativeExecutor(preload=("numpy",)))
        weaker = _Bench(Path(area), NativeExecutor(Isolation.LIMITS))
        try:
            return (
                _start_rows(plain, loaded, weaker)
                + _fresh_rows(Path(area))
                + _rate_rows(plain)
                + _overhead_rows(plain)
                + _layer_rows()
            )
        finally:
            for bench in (plain, loaded, weaker):
                bench.executor.close()


class _Bench:
    """Runs small jobs, each in a workspace of its own."""

    _names = itertools.count()

    def __init__(self, area: Path, executor: NativeExecutor) -> None:
        self._area = area
        self.executor = executor

    def run(self, *command: str, start: Start = Start.AUTO) -> str:
        with workspace.temporary(self._area, f"work-{next(self._names)}") as place:
            spec = JobSpec(command, start=start)
            result = self.executor.run(spec, place, SilentReporter())
        assert result.ok, result
        return result.stdout

    def python(self, code: str, start: Start = Start.AUTO) -> Moments:
        return _timed(lambda: self.run("python", "-c", code, start=start))


def _timed(run: Callable[[], str]) -> Moments:
    began = time.monotonic_ns()
    first = int(run())
    return (first - began) / 1e6, (time.monotonic_ns() - began) / 1e6


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def _start_rows(plain: _Bench, loaded: _Bench, weaker: _Bench) -> list[tuple[str, str]]:
    """Measure every kind of start in turns, so that all meet the same noise."""
    kinds: dict[str, Callable[[], Moments]] = {
        "bare python -c": lambda: _timed(lambda: _output(sys.executable, "-c", LINE)),
        "parked": lambda: plain.python(LINE),
        "parked, exec": lambda: plain.python(LINE, Start.EXEC),
        "parked, limits": lambda: weaker.python(LINE),
        "bare python -c 'import numpy'": lambda: _timed(
            lambda: _output(sys.executable, "-c", NUMPY)
        ),
        "parked+numpy": lambda: loaded.python(NUMPY),
    }
    if bwrap := shutil.which("bwrap"):
        bound = [bwrap, "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
        kinds["bwrap python -c"] = lambda: _timed(
            lambda: _output(*bound, sys.executable, "-c", LINE)
        )
    if contained := _contained():
        kinds[CONTAINED] = lambda: _timed(lambda: _output(*contained, sys.executable, "-c", LINE))
    for bench in (plain, loaded, weaker):
        bench.python(NUMPY if bench is loaded else LINE)
    times: dict[str, list[Moments]] = {kind: [] for kind in kinds}
    for turn, (kind, start) in itertools.product(range(STARTS), kinds.items()):
        if turn < SLOW_STARTS or not ("numpy" in kind or kind == CONTAINED):
            time.sleep(PAUSE_S)
            times[kind].append(start())
    return _told(times)


def _contained() -> list[str] | None:
    """Return a command that runs another in a container, which sees this host's programs.

    None where no engine answers.
    """
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        return None
    nothing = subprocess.run(["tar", "-cf", "-", "-T", os.devnull], capture_output=True, check=True)
    subprocess.run([docker, "import", "-", IMAGE], input=nothing.stdout, check=True)
    shown = {"/usr", "/bin", "/lib", "/lib64", sys.prefix, sys.base_prefix}
    binds = [f"--volume={path}:{path}:ro" for path in sorted(shown) if os.path.isdir(path)]
    return [docker, "run", "--rm", "--network=none", *binds, IMAGE]


def _told(times: dict[str, list[Moments]]) -> list[tuple[str, str]]:
    rows = []
    for kind in times:
        bare = "bare python -c 'import numpy'" if "numpy" in kind else "bare python -c"
        for index, moment in enumerate(("first line", "reaped")):
            ours, theirs = ([each[index] for each in times[name]] for name in (kind, bare))
            middle, worst = statistics.median(ours), _p99(ours)
            ratio = f"{middle / statistics.median(theirs):.2f} x bare"
            p99 = f"p99 {worst / _p99(theirs):.2f} x"
            figure = f"{middle:6.1f} ms (p99 {worst:.1f})  {ratio}, {p99}"
            rows.append((f"{kind}, {moment}", figure))
    return rows


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def _fresh_rows(area: Path) -> list[tuple[str, str]]:
    """Measure a first job with all that goes before it: supervisor, probe, sandbox."""

    def fresh() -> Moments:
        bench = _Bench(area, NativeExecutor())
        try:
            return bench.python(LINE)
        finally:
            bench.executor.close()

    starts = [fresh() for _ in range(SLOW_STARTS)]
    figure = f"{statistics.median(first for first, _ in starts):6.1f} ms"
    return [("fresh: supervisor, probe and first job, first line", figure)]


def _rate_rows(bench: _Bench) -> list[tuple[str, str]]:
    rows = []
    for label, command in (("python -c pass", ("-c", "pass")), ("true", ())):
        bare = [sys.executable, *command] if command else ["/bin/true"]
        ours = ("python", *command) if command else ("/bin/true",)
        alone = _rate(lambda bare=bare: subprocess.run(bare, check=True))
        jobs = _rate(lambda ours=ours: bench.run(*ours))
        rows.append((f"bare subprocess.run({label}), two threads", f"{alone:6.0f} /s"))
        rows.append((f"jobs {label}, two slots", f"{jobs:6.0f} /s  {jobs / alone:.2f} x bare"))
    return rows


def _rate(run: Callable[[], object], threads: int = 2) -> float:
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


def _overhead_rows(bench: _Bench) -> list[tuple[str, str]]:
    """Compare the same work inside a job and outside, each in a fresh interpreter."""
    rows = []
    for label, work in (("CPU", COUNTING), ("system call", CALLING)):
        code = TIMED.format(work)
        bare, ours = [], []
        for _ in range(SLOW_STARTS):
            bare.append(float(_output(sys.executable, "-c", code)))
            ours.append(float(bench.run("python", "-c", code, start=Start.EXEC)))
        ratio = statistics.median(ours) / statistics.median(bare)
        rows.append((f"{label} work inside a job", f"{100 * (ratio - 1):+6.1f} % time"))
    return rows


def _layer_rows() -> list[tuple[str, str]]:
    """Measure what two layers cost each sandbox."""
    rules, groups = [], []
    found = cgroups.find()
    for number in range(STARTS):
        began = time.perf_counter()
        ruleset = landlock.Ruleset(deny_network=True)
        for _ in range(20):
            ruleset.allow_executing("/usr")
        rules.append(time.perf_counter() - began)
        ruleset.close()
        if not isinstance(found, str):
            began = time.perf_counter()
            group = found.create(f"bench-{number}")
            group.limit(64 * MIB, 8)
            groups.append(time.perf_counter() - began)
            group.remove()
    if not isinstance(found, str):
        found.end()
    rows = [("twenty rules of Landlock", f"{1e3 * statistics.median(rules):6.2f} ms")]
    if groups:
        rows.append(("a control group with limits", f"{1e3 * statistics.median(groups):6.2f} ms"))
    return rows


if __name__ == "__main__":
    print(f"load: {os.getloadavg()}")
    for label, value in rows():
        print(f"{label:52} {value}")
