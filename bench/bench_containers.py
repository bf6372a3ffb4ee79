"""How fast jobs in containers start, beside `docker run --rm` of the same command, in turns.

Measured only where an engine answers that has a Python image, here by DOCKER_HOST or in the usual
places; a container that is prepared has had half a second to be.
"""

from __future__ import annotations

import itertools
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from node3nb import DockerManager, JobSpec
from node3nb.containers.policy import ContainerPolicy
from node3nb.executor import SilentReporter
from node3nb.files import workspace

#: Runs of each kind, and seconds between two of them.
RUNS, PAUSE_S = 20, 0.5
#: Prints when it starts, on the clock all processes of a kernel share.
COMMAND = ("python", "-c", "import time; print(time.monotonic_ns(), flush=True)")
CLI, NEW, PREPARED = "docker run --rm", "container, new", "container, prepared"
#: First line and end, in milliseconds since it was asked for.
Moments = tuple[float, float]


def rows() -> list[tuple[str, str]]:
    """Return what was measured: a label and a value each; nothing without an engine."""
    policy = ContainerPolicy(own_images=("*",), pull=False)
    new, prepared = DockerManager(policy, prepare=False), DockerManager(policy)
    docker = shutil.which("docker")
    try:
        engine = new.find().engine
        if engine is None or docker is None or not new.available(JobSpec(COMMAND)).available:
            return []
        image = policy.image("")
        cli = [docker, "--host", f"unix://{engine.socket}", "run", "--rm", "--network=none", image]
        with tempfile.TemporaryDirectory() as area:
            kinds = {
                CLI: lambda: _output(*cli, *COMMAND),
                NEW: lambda: _job(new, Path(area)),
                PREPARED: lambda: _job(prepared, Path(area)),
            }
            return _told(_in_turns(kinds), engine.title)
    finally:
        new.close()
        prepared.close()


def _in_turns(kinds: dict[str, Callable[[], str]]) -> dict[str, list[Moments]]:
    """Run every kind once, then each in turn, so that all meet the same noise."""
    for run in kinds.values():
        run()
    times: dict[str, list[Moments]] = {kind: [] for kind in kinds}
    for _ in range(RUNS):
        for kind, run in kinds.items():
            time.sleep(PAUSE_S)
            began = time.monotonic_ns()
            first = int(run())
            times[kind].append(((first - began) / 1e6, (time.monotonic_ns() - began) / 1e6))
    return times


_names = itertools.count()


def _job(manager: DockerManager, area: Path) -> str:
    with workspace.temporary(area, f"work-{next(_names)}") as place:
        result = manager.run(JobSpec(COMMAND), place, SilentReporter())
    assert result.ok, result
    return result.stdout


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def _told(times: dict[str, list[Moments]], engine: str) -> list[tuple[str, str]]:
    told = []
    for kind, moments in times.items():
        for index, what in enumerate(("first line", "total")):
            middle = statistics.median(each[index] for each in moments)
            bare = statistics.median(each[index] for each in times[CLI])
            figure = f"{middle:6.1f} ms  {middle / bare:.2f} x docker run"
            told.append((f"{kind} ({engine}), {what}", figure))
    return told
