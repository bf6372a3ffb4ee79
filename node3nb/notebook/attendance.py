"""Waiting for a cell's job in the cell that sent it off."""

from __future__ import annotations

import contextlib

from node3nb.errors import VariableRefused
from node3nb.jobs import JobResult, JobState
from node3nb.notebook.cell_run import CellRun
from node3nb.notebook.handles import Interrupted, Waited
from node3nb.notebook.progress import Progress


def attend(run: CellRun, tell: Progress) -> JobResult:
    """Start a cell's job and wait for it; an interrupt cancels it on its ladder.

    An interrupt is awaited everywhere from the start on: none leaves a job that nobody holds.

    Raises
    ------
    Interrupted
        An interrupt came first; the job was cancelled and has ended.
    Waited
        A variable it gave can't be taken.
    Node3Error
        It can't be run here.
    """
    interrupted = False
    while run.running:
        try:
            run.start()
            with contextlib.suppress(TimeoutError):
                run.await_end(tell.every_s)
            if run.running:
                doing = "gets the time to end that it was granted" if interrupted else run.stands
                tell(f"Job {run.job_id[:12]} {doing}")
        except KeyboardInterrupt:
            interrupted = True
            run.cancel()
    try:
        result = run.wait()
    except VariableRefused as error:
        raise Waited(str(error), run.result()) from None
    if not interrupted:
        return result
    cancelled = result.state is JobState.CANCELLED
    became = "was cancelled and has ended" if cancelled else "had just ended by itself"
    raise Interrupted(f"You interrupted the cell: its job {became}.", result)
