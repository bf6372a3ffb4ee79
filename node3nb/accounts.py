"""A supervisor's account of a job, told as the result that every executor gives."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from node3nb.executor import Reporter
from node3nb.files.workspace import Workspace
from node3nb.jobs import ExitReason, JobResult, JobSpec, JobState, Usage
from node3nb.supervisor.capped_log import NOTE_BYTES
from node3nb.supervisor.frames import Frame


def follow(events: Iterator[Frame], reporter: Reporter) -> Frame:
    """Pass on what happens and return the last message, the job's account."""
    frame: Frame = {}
    for frame in events:
        if frame["event"] == "started":
            reporter.state(JobState.RUNNING)
        elif frame["event"] == "usage":
            reporter.usage(frame["memory_bytes"], frame["cpu_s"])
    return frame


def result(spec: JobSpec, workspace: Workspace, ended: Frame, **where: Any) -> JobResult:
    """Return the result of a job that has ended.

    Parameters
    ----------
    ended
        Its account.
    where
        The fields that say what ran it, and how well kept.
    """
    reason = ExitReason(ended["reason"])
    return JobResult(
        job_id=spec.job_id,
        state=_state(reason, ended["exit_code"]),
        reason=reason,
        message=ended["message"],
        exit_code=ended["exit_code"],
        signal=ended["signal"],
        started_at=_iso(ended["started_at"]),
        wall_s=ended["wall_s"],
        startup_ms=ended["startup_ms"],
        usage=_usage(ended),
        stdout=_log(spec, workspace, "stdout"),
        stderr=_log(spec, workspace, "stderr"),
        stdout_truncated=ended["stdout_truncated"],
        stderr_truncated=ended["stderr_truncated"],
        **where,
    )


def _usage(ended: Frame) -> Usage:
    return Usage(
        cpu_s=ended["cpu_s"],
        peak_memory_bytes=ended["peak_memory_bytes"],
        written_bytes=ended["written_bytes"],
        peak_processes=ended["peak_processes"],
        io_read_bytes=ended.get("io_read_bytes", 0),
        io_written_bytes=ended.get("io_written_bytes", 0),
    )


def _log(spec: JobSpec, workspace: Workspace, stream: str) -> str:
    most = spec.limits.log_bytes + NOTE_BYTES
    return workspace.read_log(stream, most).decode("utf-8", "replace")


def _state(reason: ExitReason, exit_code: int | None) -> JobState:
    if reason is ExitReason.CANCELLED:
        return JobState.CANCELLED
    succeeded = reason is ExitReason.EXITED and exit_code == 0
    return JobState.COMPLETED if succeeded else JobState.FAILED


def _iso(seconds: float) -> str | None:
    """Return a time since the epoch as ISO 8601 in UTC; 0 is never."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat() if seconds else None
