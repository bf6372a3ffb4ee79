"""Jobs as a view gets them: short, inert, and only when something in them has changed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from typing import Any

from node3nb.agent.records import JobSummary
from node3nb.inert_text import line

#: Jobs a view has at the most, newest first.
MOST_ROWS = 50
#: Bytes of all rows that are sent at once.
ROWS_BYTES = 8 * 1024
#: Running jobs whose use is told in each tick.
MOST_USES = 10
#: Characters of a job's command, and of what it says of its end.
COMMAND_CHARS, MESSAGE_CHARS = 80, 140

Row = dict[str, Any]


def row(job: JobSummary) -> Row:
    """Return what a table shows of a job; of a running one, without what it uses."""
    told = {
        "id": job.job_id,
        "state": job.state,
        "type": line(job.job_type, 40),
        "command": line(job.command, COMMAND_CHARS),
        "taken": _epoch_s(job.accepted_at),
        "started": _epoch_s(job.started_at),
        "limit": job.memory_limit_bytes,
        "executor": job.executor,
        "isolation": job.isolation,
        "reward": job.reward,
        "message": line(job.explanation, MESSAGE_CHARS),
        "outputs": job.outputs,
    }
    if job.wall_s is not None:
        told |= {
            "wall": round(job.wall_s, 2),
            "cpu": round(job.cpu_s, 2),
            "memory": job.memory_bytes,
        }
    return {name: value for name, value in told.items() if value not in {"", None}}


def use(job: JobSummary) -> list[Any]:
    """Return what a running job uses: its id, bytes of memory, seconds of CPU."""
    return [job.job_id, job.memory_bytes, round(job.cpu_s, 1)]


class Changes:
    """What has changed in the rows since they were last sent."""

    def __init__(self) -> None:
        self._sent: dict[str, Row] = {}

    def forget(self) -> None:
        """Take everything for changed: there is a view that has nothing."""
        self._sent.clear()

    def take(self, jobs: Iterable[JobSummary], room: int) -> list[Row]:
        """Return changed rows that fit into so many bytes, and take them for sent."""
        rows = [row(job) for job in jobs]
        self._sent = {each["id"]: self._sent.get(each["id"], {}) for each in rows}
        taken = []
        for each in rows:
            if each == self._sent[each["id"]]:
                continue
            room -= len(json.dumps(each))
            if room < 0:
                break
            self._sent[each["id"]] = each
            taken.append(each)
        return taken


def _epoch_s(moment: str) -> float | None:
    """Return a time in ISO 8601 as seconds since the epoch; None for an empty one."""
    return round(dt.datetime.fromisoformat(moment).timestamp(), 2) if moment else None
