"""Runs a job here while the kernel waits: an interrupt cancels it on its ladder."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path

from node3nb.executor import SilentReporter
from node3nb.jobs import JobResult, JobSpec, JobState
from node3nb.local_run import run_here
from node3nb.native_executor import NativeExecutor


class Interrupted(Exception):
    """The owner interrupted the kernel.

    Parameters
    ----------
    message
        What became of the job.
    answer
        What there is to show of it.
    """

    def __init__(self, message: str, answer: object) -> None:
        super().__init__(message)
        self.answer = answer


def run(
    spec: JobSpec, executor: NativeExecutor, input_dir: Path | None, output_dir: Path | None
) -> JobResult:
    """Run a job to its end and return how it ended.

    Raises
    ------
    Interrupted
        An interrupt came first; the job was cancelled and has ended.
    Node3Error
        It can't be run here.
    """
    reporter = SilentReporter()
    ending: Future[JobResult] = Future()

    def live() -> None:
        try:
            ending.set_result(
                run_here(
                    spec, [executor], input_dir=input_dir, output_dir=output_dir, reporter=reporter
                )
            )
        except BaseException as error:  # noqa: BLE001 - raised where the end is awaited
            ending.set_exception(error)

    # The job has a thread of its own: an interrupt must not tear through its bookkeeping.
    threading.Thread(target=live, name="node3nb-cell", daemon=True).start()
    try:
        return ending.result()
    except KeyboardInterrupt:
        reporter.cancelled.set()
        executor.cancel(spec.job_id)
        result = ending.result()
    cancelled = result.state is JobState.CANCELLED
    became = "was cancelled and has ended" if cancelled else "had just ended by itself"
    raise Interrupted(f"You interrupted the cell: its job {became}.", result)
