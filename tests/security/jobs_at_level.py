"""Runs attacks: as jobs of a NativeExecutor at one level, or as plain processes for comparison."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from node3nb import NativeExecutor
from node3nb.executor import SilentReporter
from node3nb.files import workspace
from node3nb.files.workspace import Workspace
from node3nb.jobs import MIB, Isolation, JobResult, JobSpec, ResourceLimits, Start

ATTACKS = Path(__file__).with_name("attacks")
OTHER_JOB = Path(__file__).with_name("other_job.py")
#: Far beyond what anything here takes.
PATIENCE_S = 60.0
#: What a job that attacks quietly may use.
QUIET = ResourceLimits(memory_bytes=512 * MIB, timeout_s=PATIENCE_S, grace_s=0.2)
#: What the job's input holds before the attack on it.
INPUT = "the data the job was given"


class Jobs:
    """Runs the programs of attacks as jobs at one level."""

    def __init__(self, level: str, area: Path) -> None:
        self._executor = NativeExecutor(isolation=Isolation(level) if level else None)
        self._executor.available()
        #: Layers that are off, with the reason.
        self.missing = self._executor.missing_layers()
        self._area = area
        self._names = itertools.count()
        #: The last result, which says what the level is made of.
        self.last: JobResult | None = None

    def close(self) -> None:
        self._executor.close()

    @contextlib.contextmanager
    def place(self) -> Iterator[Workspace]:
        """Make the workspace of the next job; it goes at the end."""
        with workspace.temporary(self._area, f"work-{next(self._names)}") as place:
            (place.input / "data.txt").write_text(INPUT)
            yield place

    def run(
        self,
        place: Workspace,
        program: str,
        names: tuple[str, ...],
        targets: dict[str, object],
        limits: ResourceLimits = QUIET,
    ) -> JobResult:
        """Run attacks of one program in one job."""
        told = json.dumps(targets | {"log": str(place.log)})
        spec = JobSpec(
            ("python", program, *names),
            files={name: (ATTACKS / name).read_text() for name in (program, "attempt.py")},
            environment={"TARGETS": told},
            limits=limits,
        )
        place.write_files(spec)
        self.last = self._executor.run(spec, place, SilentReporter())
        return self.last

    @contextlib.contextmanager
    def other(self) -> Iterator[dict[str, str]]:
        """Run another job beside those to come; gives its secrets and where its files lie."""
        names = ("OTHER_SECRET", "OTHER_OUTPUT", "OTHER_TMP")
        hidden = {name: f"{name}-{secrets.token_hex(8)}" for name in names}
        spec = JobSpec(
            ("python", OTHER_JOB.name),
            files={OTHER_JOB.name: OTHER_JOB.read_text()},
            environment=hidden,
            start=Start.EXEC,
            limits=replace(QUIET, timeout_s=2 * PATIENCE_S),
        )
        with self.place() as place:
            place.write_files(spec)
            told = (spec, place, SilentReporter())
            thread = threading.Thread(target=self._executor.run, args=told)
            thread.start()
            try:
                _await_ready(place, thread)
                yield hidden | {"output": str(place.output), "tmp": str(place.tmp)}
            finally:
                self._executor.cancel(spec.job_id)
                thread.join()


def _await_ready(place: Workspace, thread: threading.Thread) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while b"ready" not in place.read_log("stdout", 100):
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError(f"the other job: {place.read_log('stderr', 2000)!r}")
        time.sleep(0.01)


def run_plain(place: Workspace, program: str, names: tuple[str, ...], targets: object) -> str:
    """Run the same attacks as a process like any other; return what it printed."""
    told = {
        "TARGETS": json.dumps(targets),
        "INPUT_DIR": str(place.input),
        "OUTPUT_DIR": str(place.output),
        "OWNER_ENVIRONMENT": os.environ["OWNER_ENVIRONMENT"],
    }
    with _one_core():
        ran = subprocess.run(
            [sys.executable, str(ATTACKS / program), *names],
            env=told,
            cwd=place.job,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
            close_fds=False,
            start_new_session=True,
        )
    return ran.stdout


@contextlib.contextmanager
def _one_core() -> Iterator[None]:
    """Have processes start with one core, as a job would."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
