"""What a marketplace is told of a job's end, cut to what it takes."""

from __future__ import annotations

import json
from typing import Any

from node3nb.agent.journal import now_iso
from node3nb.agent.letter import Letter
from node3nb.jobs import ExitReason, JobResult
from node3nb.marketplace.protocol import Completion, Failure

#: Characters of each log that travel with a report; the head and the tail.
LOG_CHARS = 64 * 1024
#: Bytes of the list of outputs that travel with a report.
OUTPUTS_BYTES = 128 * 1024
#: Characters of the message of a report.
MESSAGE_CHARS = 10_000


def completion(letter: Letter, *, bare: bool) -> Completion:
    """Return the report of a job that succeeded; a bare one holds the base table's must only."""
    result = letter.result
    more = {} if bare else {**_details(result), "execution_time": result.wall_s}
    return Completion(
        status="completed",
        started_at=result.started_at or letter.ended_at,
        completed_at=letter.ended_at,
        duration=result.wall_s,
        **more,
        **_named(letter.lease_id),
    )


def failure(letter: Letter, *, bare: bool) -> Failure:
    """Return the report of a job that did not succeed; a bare one holds what no server refuses."""
    result = letter.result
    message = result.message.replace("\0", " ")[:MESSAGE_CHARS]
    return Failure(
        status="failed",
        error_message=message or f"The job ended: {result.reason}.",
        error_type=result.reason,
        started_at=result.started_at or letter.ended_at,
        failed_at=letter.ended_at,
        **({} if bare else _details(result)),
        **_named(letter.lease_id),
    )


def lost(lease_id: str | None, reason: str) -> Failure:
    """Return the report by which a marketplace gets a job back that knows no release."""
    now = now_iso()
    return Failure(
        status="failed",
        error_message=reason,
        error_type=ExitReason.LOST,
        started_at=now,
        failed_at=now,
        **_named(lease_id),
    )


def _named(lease_id: str | None) -> dict[str, Any]:
    """Name the lease only to a marketplace that gave one: a base one knows no such field."""
    return {} if lease_id is None else {"lease_id": lease_id}


def _details(result: JobResult) -> dict[str, Any]:
    told = result.to_dict()
    metrics = {**told["usage"], "startup_ms": result.startup_ms}
    for stream in ("stdout", "stderr"):
        text = told[stream]
        if len(text) > LOG_CHARS:
            told[stream] = f"{text[: LOG_CHARS // 2]}\n[...]\n{text[-LOG_CHARS // 2 :]}"
            told[f"{stream}_truncated"] = True
    told["outputs"] = _first(told["outputs"])
    left_out = len(result.outputs) - len(told["outputs"])
    if left_out:
        told["message"] = f"{result.message} {left_out} outputs are not listed here.".strip()
    return {"output_data": told, "metrics": metrics}


def _first(outputs: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """Return the outputs whose names fit into a report."""
    room, listed = OUTPUTS_BYTES, []
    for output in outputs:
        room -= len(json.dumps(output))
        if room < 0:
            break
        listed.append(output)
    return listed
