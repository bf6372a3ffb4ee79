"""Agents: who may become one, who is one, and which were heard."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass

import sqlalchemy as sa

from node3nb.marketplace.clock import iso
from node3nb.marketplace.database.schema import agents
from node3nb.marketplace.keys import Caller, Role, new_key
from node3nb.marketplace.pages import AgentView
from node3nb.marketplace.refusals import KeyMissing, TooMany
from node3nb.marketplace.store import key_ring
from node3nb.marketplace.wire.protocol import Registered, Registration

#: An agent heard within this time counts as active, in seconds.
ACTIVE_S = 300.0
#: How far back registrations from one address are counted, in seconds.
COUNTED_S = 86_400.0

_HEARD = (
    sa.update(agents)
    .where(agents.c.agent_id == sa.bindparam("agent"))
    .values(seen_at=sa.bindparam("now"), state=sa.bindparam("said"))
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a registration comes from."""

    #: What the address is known by.
    address: str
    #: Agents that one address may register within `COUNTED_S`.
    most: int
    #: The invitation that was sent, by name; empty where none is asked for.
    invitation: str = ""


def register(
    connection: sa.Connection, asked: Registration, origin: Origin, now: float
) -> Registered:
    """Add an agent with a key of its own.

    Raises
    ------
    Refusal
        Its invitation is used up, or too many agents came from its address.
    """
    _require_room(connection, origin, now)
    if origin.invitation and not key_ring.use_up(connection, origin.invitation):
        raise KeyMissing("X-API-Key: the invitation is used up; ask for another one.")
    agent_id, key = uuid.uuid4().hex, new_key(Role.AGENT)
    capability = asked.compute_capability
    described = asked.model_dump(exclude={"compute_capability"})
    connection.execute(
        sa.insert(agents).values(
            agent_id=agent_id,
            compute_capability=None if capability is None else str(capability),
            state="",
            registered_at=now,
            seen_at=now,
            registered_from=origin.address,
            **described,
        )
    )
    key_ring.keep(connection, key, Caller(Role.AGENT, agent_id), now)
    message = "Keep the key; it is not shown again."
    return Registered(agent_id=agent_id, api_key=key, message=message)


def _require_room(connection: sa.Connection, origin: Origin, now: float) -> None:
    """Refuse an address that has registered as many agents as one may."""
    in_the_way = connection.execute(
        sa.select(agents.c.registered_at)
        .where(agents.c.registered_from == origin.address, agents.c.registered_at > now - COUNTED_S)
        .order_by(agents.c.registered_at.desc())
        .offset(origin.most - 1)
        .limit(1)
    ).scalar_one_or_none()
    if in_the_way is not None:
        wait_s = max(1, math.ceil(in_the_way + COUNTED_S - now))
        raise TooMany(
            f"One address may register {origin.most} agents a day; keep the keys you have.",
            retry_after_s=wait_s,
        )


def heard(connection: sa.Connection, agent_id: str, state: str, now: float) -> None:
    """Note that an agent lives, and what it says of itself."""
    connection.execute(_HEARD, {"agent": agent_id, "now": now, "said": state})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of agents ended."""

    #: When the last one shown was heard.
    seen_at: float
    #: Its id.
    agent_id: str


def listed_agents(
    connection: sa.Connection, now: float, limit: int, after: Place | None
) -> tuple[list[AgentView], Place | None]:
    """Return a page of agents, without payout addresses, and where it ended if more follow."""
    query = sa.select(agents).order_by(agents.c.seen_at.desc(), agents.c.agent_id.desc())
    if after is not None:
        place = sa.tuple_(sa.literal(after.seen_at), sa.literal(after.agent_id))
        query = query.where(sa.tuple_(agents.c.seen_at, agents.c.agent_id) < place)
    rows = connection.execute(query.limit(limit + 1)).all()
    shown = rows[:limit]
    end = Place(shown[-1].seen_at, shown[-1].agent_id) if len(rows) > limit else None
    return [_view(row, now) for row in shown], end


def _view(row: sa.Row[tuple[object, ...]], now: float) -> AgentView:
    return AgentView(
        agent_id=row.agent_id,
        gpu_model=row.gpu_model,
        gpu_vendor=row.gpu_vendor,
        gpu_memory=row.gpu_memory,
        compute_capability=row.compute_capability,
        state=row.state,
        active=now - row.seen_at <= ACTIVE_S,
        last_seen=iso(row.seen_at),
    )


def agent_counts(connection: sa.Connection, now: float) -> dict[str, int]:
    """Return how many agents there are, and how many were heard lately."""
    total, active = connection.execute(
        sa.select(
            sa.func.count(), sa.func.count().filter(agents.c.seen_at >= now - ACTIVE_S)
        ).select_from(agents)
    ).one()
    return {"total": total, "active": active}
