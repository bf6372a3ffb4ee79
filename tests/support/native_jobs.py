"""What the tests of native execution share: jobs, and how to run them."""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from support.native_traces import MARK, Trace

from node3nb.executor import Executor
from node3nb.files import workspace
from node3nb.files.workspace import Workspace
from node3nb.jobs import GIB, MIB, JobResult, JobSpec, JobState, ResourceLimits, Start

#: What an owner's environment holds and no job may see.
SECRET = "sk-owner-0123456789"
PROGRAMS = Path(__file__).parents[1] / "programs"
#: Far beyond what anything here takes, on the slowest machine.
PATIENCE_S = 60.0
LIMITS = ResourceLimits(
    memory_bytes=512 * MIB, disk_bytes=256 * MIB, timeout_s=PATIENCE_S, grace_s=0.3
)

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def printed(result: JobResult) -> str:
    """Return what a job that has completed printed; where it has not, all of its result is told."""
    assert result.ok, result
    assert result.stdout, result
    return result.stdout


def limits(**changes: float) -> ResourceLimits:
    """Return the usual limits with some of them changed."""
    return replace(LIMITS, **changes)


class Listener:
    """A reporter that remembers what it was told."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.running = threading.Event()
        self.usages: list[tuple[int, float]] = []
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def state(self, state: JobState) -> None:
        if state is JobState.RUNNING:
            self.running.set()

    def usage(self, memory_bytes: int, cpu_s: float) -> None:
        self.usages.append((memory_bytes, cpu_s))


@dataclass
class Started:
    """A job that runs beside its test."""

    spec: JobSpec
    workspace: Workspace
    listener: Listener
    trace: Trace
    outcome: Future[JobResult] = field(default_factory=Future)

    def result(self) -> JobResult:
        return self.outcome.result(PATIENCE_S)

    @property
    def main(self) -> int:
        """The process that runs the job's command."""
        return self.trace.started()[0]

    def await_line(self, line: str) -> None:
        """Wait until the job has printed the line."""
        wait_until(lambda: line in self.workspace.read_log("stdout", 1 << 20).decode().splitlines())


class Bench:
    """Runs jobs on one executor, each in a workspace of its own."""

    def __init__(self, executor: Executor, area: Path) -> None:
        self.executor = executor
        self.area = area

    @contextmanager
    def started(
        self,
        *command: str,
        limits: ResourceLimits = LIMITS,
        environment: dict[str, str] | None = None,
        files: dict[str, str] | None = None,
        job_id: str = "",
        start: Start = Start.AUTO,
        prepare: Callable[[Started], None] = lambda _: None,
    ) -> Iterator[Started]:
        """Start a job; at the end it is over and its workspace gone."""
        mark = uuid.uuid4().hex
        spec = JobSpec(
            command,
            job_id=job_id or f"job-{mark[:8]}",
            environment={MARK: mark, **(environment or {})},
            files=files or {},
            limits=limits,
            start=start,
        )
        with workspace.temporary(self.area, f"work-{mark}") as place:
            place.write_files(spec)
            job = Started(spec, place, Listener(), Trace.of(mark, place.job))
            prepare(job)
            thread = threading.Thread(target=self._run, args=(job,))
            thread.start()
            try:
                yield job
            finally:
                self.executor.cancel(spec.job_id)
                thread.join(PATIENCE_S)

    def run(self, *command: str, **options: object) -> JobResult:
        """Run a job to its end, and hold that nothing of it is left."""
        with self.started(*command, **options) as job:  # type: ignore[arg-type]
            result = job.result()
            assert job.trace.living() == []
        return result

    def python(self, code: str, **options: object) -> JobResult:
        return self.run("python", "-c", code, **options)

    def program(self, name: str, *arguments: str, **options: object) -> JobResult:
        """Run one of the hostile programs, which travels with its job."""
        return self.run("python", name, *arguments, files=_files(name), **options)

    def started_program(
        self, name: str, *arguments: str, **options: object
    ) -> AbstractContextManager[Started]:
        """Start one of the hostile programs; at the end it is over and its workspace gone."""
        return self.started("python", name, *arguments, files=_files(name), **options)  # type: ignore[arg-type]

    def _run(self, job: Started) -> None:
        try:
            job.outcome.set_result(self.executor.run(job.spec, job.workspace, job.listener))
        except Exception as error:
            job.outcome.set_exception(error)


def _files(program: str) -> dict[str, str]:
    return {name: (PROGRAMS / name).read_text() for name in (program, "bounded.py")}


def wait_until(true: Callable[[], object], patience_s: float = PATIENCE_S) -> float:
    """Wait until `true()` is; return how many seconds that took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < patience_s, "waited in vain"
        time.sleep(0.01)
    return time.monotonic() - began


__all__ = [
    "GIB",
    "LIMITS",
    "MARK",
    "MIB",
    "PROGRAMS",
    "Bench",
    "Listener",
    "limits",
    "linux_only",
    "printed",
]
