"""Keys and agents."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa

from node3nb.marketplace.clock import iso
from node3nb.marketplace.keys import Caller, KeysFile, Role, matches, name_of, new_key, sha256_of
from node3nb.marketplace.protocol import Registered, Registration
from node3nb.marketplace.schema import agents, keys

#: An agent heard within this time counts as active, in seconds.
ACTIVE_S = 300.0

_KEY = sa.select(keys.c.role, keys.c.owner, keys.c.sha256).where(
    keys.c.key_id == sa.bindparam("named"), keys.c.revoked_at.is_(None)
)
_HEARD = (
    sa.update(agents)
    .where(agents.c.agent_id == sa.bindparam("agent"))
    .values(seen_at=sa.bindparam("now"), state=sa.bindparam("said"))
)


def keep_first_keys(connection: sa.Connection, file: KeysFile, now: float) -> None:
    """Make the keys of the keys' file valid, as they are at every start."""
    consumer = Caller(Role.CONSUMER, name_of(file.consumer))
    for key, caller in ((file.admin, Caller(Role.ADMIN, "admin")), (file.consumer, consumer)):
        known = sa.exists().where(keys.c.key_id == name_of(key))
        if not connection.execute(sa.select(known)).scalar_one():
            _keep(connection, key, caller, now)


def _keep(connection: sa.Connection, key: str, caller: Caller, now: float) -> None:
    connection.execute(
        sa.insert(keys).values(
            key_id=name_of(key),
            role=caller.role,
            owner=caller.owner,
            sha256=sha256_of(key),
            created_at=now,
        )
    )


def caller_of(connection: sa.Connection, key: str) -> Caller | None:
    """Return whom a key speaks for; None when it is not valid."""
    row = connection.execute(_KEY, {"named": name_of(key)}).one_or_none()
    if row is None or not matches(key, row.sha256):
        return None
    return Caller(Role(row.role), row.owner)


def register(connection: sa.Connection, asked: Registration, now: float) -> Registered:
    """Add an agent with a key of its own."""
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
            **described,
        )
    )
    _keep(connection, key, Caller(Role.AGENT, agent_id), now)
    message = "Keep the key; it is not shown again."
    return Registered(agent_id=agent_id, api_key=key, message=message)


def heard(connection: sa.Connection, agent_id: str, state: str, now: float) -> None:
    """Note that an agent lives, and what it says of itself."""
    connection.execute(_HEARD, {"agent": agent_id, "now": now, "said": state})


def listed_agents(connection: sa.Connection, now: float, limit: int) -> list[dict[str, Any]]:
    """Return the agents heard last, without their payout addresses."""
    rows = connection.execute(
        sa.select(agents).order_by(agents.c.seen_at.desc(), agents.c.agent_id).limit(limit)
    )
    return [
        {
            "agent_id": row.agent_id,
            "gpu_model": row.gpu_model,
            "gpu_vendor": row.gpu_vendor,
            "gpu_memory": row.gpu_memory,
            "compute_capability": row.compute_capability,
            "state": row.state,
            "active": now - row.seen_at <= ACTIVE_S,
            "last_seen": iso(row.seen_at),
        }
        for row in rows
    ]


def agent_counts(connection: sa.Connection, now: float) -> dict[str, int]:
    """Return how many agents there are, and how many were heard lately."""
    total, active = connection.execute(
        sa.select(
            sa.func.count(), sa.func.count().filter(agents.c.seen_at >= now - ACTIVE_S)
        ).select_from(agents)
    ).one()
    return {"total": total, "active": active}
