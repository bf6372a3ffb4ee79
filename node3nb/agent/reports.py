"""What a marketplace is told of a job's end, cut to what it takes."""

from __future__ import annotations

from typing import Any

from node3nb.agent.excerpt import MESSAGE_CHARS, excerpt
from node3nb.agent.journal import now_iso
from node3nb.agent.letter import Letter
from node3nb.jobs import ExitReason, JobResult
from node3nb.marketplace.wire.protocol import Completion, Failure


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
    told = excerpt(result).to_dict()
    return {"output_data": told, "metrics": {**told["usage"], "startup_ms": result.startup_ms}}
