"""A result on its way to its marketplace, as it is kept on disk."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from node3nb.jobs import JobResult, failure


@dataclass(frozen=True, slots=True)
class Letter:
    """One result on its way to its marketplace."""

    #: Name of the letter, unique in its outbox.
    name: str
    #: The marketplace it is for.
    marketplace_url: str
    #: Fingerprint of the key under which the job was taken: nobody else may report it.
    agent: str
    #: The job.
    job_id: str
    #: The lease it was run under; None with a marketplace that knows none.
    lease_id: str | None
    #: Where the outputs are to be sent first; empty for nowhere, or when they have been.
    output_url: str
    #: When the job ended, as ISO 8601 in UTC.
    ended_at: str
    #: How it ended.
    result: JobResult
    #: What its completion pays.
    reward: float = 0.0

    def to_json(self) -> str:
        """Return the text that is kept."""
        return json.dumps(asdict(self))

    def failed(self, reason: Any, message: str) -> Letter:
        """Return the letter of the same job that has failed in the end, without outputs."""
        ended = failure(self.job_id, reason, message)
        known = replace(self.result, state=ended.state, reason=ended.reason, message=message)
        return replace(self, output_url="", result=known)


_LETTER = TypeAdapter(Letter)


def from_json(text: str) -> Letter | None:
    """Return the letter that a text holds; None when it holds none."""
    try:
        return _LETTER.validate_json(text)
    except ValidationError:
        return None


def new_name(job_id: str) -> str:
    """Return a name for a letter about a job."""
    return f"{job_id}-{uuid.uuid4().hex[:8]}"
