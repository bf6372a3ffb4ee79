"""A turn on the wire: what an agent reports, accepts and looks for, all in one call."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from node3nb.marketplace.wire.protocol import (
    Asked,
    AvailableAnswer,
    AvailableQuery,
    Completion,
    Failure,
    Heard,
)
from node3nb.marketplace.wire.words import PlainText

#: Most jobs that a turn completes, fails or accepts, of each kind.
MOST_OF_A_KIND = 32

_JobId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]


class Turn(Asked):
    """`POST /api/jobs/turn`: what else would be a call for each job."""

    #: What `complete` would be told, by job id.
    completed: Annotated[dict[_JobId, Completion], Field(max_length=MOST_OF_A_KIND)] = Field(
        default_factory=dict
    )
    #: What `fail` would be told, by job id.
    failed: Annotated[dict[_JobId, Failure], Field(max_length=MOST_OF_A_KIND)] = Field(
        default_factory=dict
    )
    #: Jobs to accept, each with the `Idempotency-Key` of its acceptance.
    accepted: Annotated[
        dict[_JobId, Annotated[PlainText, Field(min_length=1, max_length=256)]],
        Field(max_length=MOST_OF_A_KIND),
    ] = Field(default_factory=dict)
    #: Where the accepted ones are paid.
    wallet_address: Annotated[str, Field(min_length=1, max_length=256)]
    #: What `available` would be asked; it is answered at once, whatever `wait_s` says.
    query: AvailableQuery | None = None


class Told(Heard):
    """What the call of one job would have been answered."""

    #: Its status code.
    code: int
    #: What is wrong, where it was refused.
    detail: str = ""
    #: Its body, where it was not.
    answer: dict[str, Any] = Field(default_factory=dict)


class Turned(AvailableAnswer):
    """Answer to a turn: one for each job it named, and the jobs on offer."""

    completed: dict[str, Told] = Field(default_factory=dict)
    failed: dict[str, Told] = Field(default_factory=dict)
    accepted: dict[str, Told] = Field(default_factory=dict)
