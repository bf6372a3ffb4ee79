"""What lists and the calls about keys carry."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from node3nb.marketplace.keys import Role
from node3nb.marketplace.wire.protocol import Asked, Heard, JobSummary

#: Longest life of a key that has one, in seconds: ten years.
MAX_LIFE_S = 10 * 366 * 86_400.0


class Page(Heard):
    """A part of a list."""

    #: Goes with the next call for the part that follows; None at the end of the list.
    cursor: str | None = None


class JobPage(Page):
    """Answer to `GET /api/jobs`, youngest first."""

    jobs: list[JobSummary]


class AgentView(Heard):
    """An agent as everybody with a key sees it."""

    agent_id: str
    gpu_model: str
    gpu_vendor: str
    gpu_memory: int
    compute_capability: str | None
    state: str
    active: bool
    last_seen: str


class AgentPage(Page):
    """Answer to `GET /api/marketplace/agents`, those heard last first."""

    agents: list[AgentView]


class KeyAsked(Asked):
    """`POST /api/admin/keys`."""

    role: Annotated[Role, Field(strict=False)]
    #: For people: whose it is.
    label: Annotated[str, Field(max_length=200)] = ""
    #: The consumer it speaks for, when there is one already; None is a new one.
    owner: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    #: How often an invitation can be used.
    uses: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    #: How long it is good for, in seconds; None is until it is revoked.
    lives_s: Annotated[float, Field(gt=0, le=MAX_LIFE_S)] | None = None


class KeyView(Heard):
    """A key as its marketplace remembers it: the key itself is not kept."""

    key_id: str
    role: Role
    owner: str
    label: str = ""
    #: Uses that an invitation has left; None is no invitation.
    uses_left: int | None = None
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None


class NewKey(KeyView):
    """A key that was made; it is shown this once."""

    api_key: str = Field(repr=False)


class KeyPage(Page):
    """Answer to `GET /api/admin/keys`, youngest first."""

    keys: list[KeyView]


class Counts(Heard):
    """Jobs and agents, counted."""

    timestamp: str
    #: How many jobs there are, by status.
    jobs: dict[str, int]
    #: How many agents there are (`total`), and were heard lately (`active`).
    agents: dict[str, int]


class PublicCounts(Counts):
    """Answer to `GET /api/status`."""

    status: str


class AdminCounts(Counts):
    """Answer to `GET /api/admin/stats`."""

    #: How long a lease lasts, in seconds.
    lease_s: float
    #: Jobs and entries of the ledger that don't agree; None before all have been compared once.
    ledger_discrepancies: int | None = None
    #: When that was.
    ledger_checked_at: str | None = None


class Health(Heard):
    """Answer to `GET /health`."""

    status: str
    timestamp: str


class Offers(Heard):
    """Answer to `POST /api/jobs/available`."""

    jobs: list[dict[str, Any]]
