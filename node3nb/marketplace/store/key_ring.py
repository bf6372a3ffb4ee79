"""Keys: made, found, listed, revoked.  What is kept of a key can't be turned back into it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from node3nb.marketplace.clock import iso, iso_or_none
from node3nb.marketplace.database.schema import jobs, keys
from node3nb.marketplace.keys import Caller, KeysFile, Role, matches, name_of, new_key, sha256_of
from node3nb.marketplace.pages import KeyAsked, KeyView, NewKey
from node3nb.marketplace.refusals import Conflict, Unacceptable, Unknown

#: Whom every administrator's key speaks for.
ADMIN = "admin"

_NOW = sa.bindparam("now", type_=sa.Float)
_VALID = sa.and_(
    sa.or_(keys.c.revoked_at.is_(None), keys.c.revoked_at > _NOW),
    sa.or_(keys.c.expires_at.is_(None), keys.c.expires_at > _NOW),
    sa.or_(keys.c.uses_left.is_(None), keys.c.uses_left > 0),
)
_KEY = sa.select(keys).where(keys.c.key_id == sa.bindparam("named"), _VALID)
_OWNED = sa.select(
    sa.exists().where(
        keys.c.owner == sa.bindparam("owned_by"), keys.c.role == sa.bindparam("as_role"), _VALID
    )
)
_LISTED = sa.select(keys).order_by(keys.c.created_at.desc(), keys.c.key_id.desc())


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of keys ended."""

    #: When the last one shown was made.
    created_at: float
    #: Its name.
    key_id: str


def keep_first_keys(connection: sa.Connection, file: KeysFile, now: float) -> None:
    """Make the keys of the keys' file valid, unless they were before and may be revoked now."""
    consumer = Caller(Role.CONSUMER, name_of(file.consumer))
    for key, caller in ((file.admin, Caller(Role.ADMIN, ADMIN)), (file.consumer, consumer)):
        known = sa.exists().where(keys.c.key_id == name_of(key))
        if not connection.execute(sa.select(known)).scalar_one():
            keep(connection, key, caller, now)


def keep(
    connection: sa.Connection, key: str, caller: Caller, now: float, asked: KeyAsked | None = None
) -> NewKey:
    """Remember a key, and whom it speaks for."""
    lives_s = asked.lives_s if asked else None
    row = {
        "key_id": name_of(key),
        "role": caller.role,
        "owner": caller.owner,
        "label": asked.label if asked else "",
        "uses_left": asked.uses if asked else None,
        "created_at": now,
        "expires_at": None if lives_s is None else now + lives_s,
    }
    kept = connection.execute(
        sa.insert(keys).values(sha256=sha256_of(key), **row).returning(*keys.c)
    ).one()
    return NewKey(api_key=key, **_view(kept).model_dump())


def caller_of(connection: sa.Connection, key: str, now: float) -> Caller | None:
    """Return whom a key speaks for; None when it is not valid."""
    row = connection.execute(_KEY, {"named": name_of(key), "now": now}).one_or_none()
    if row is None or not matches(key, row.sha256):
        return None
    return Caller(Role(row.role), row.owner, row.key_id)


def speaks(connection: sa.Connection, role: Role, owner: str, now: float) -> bool:
    """Whether somebody has a valid key of a kind."""
    named = {"owned_by": owner, "as_role": role, "now": now}
    return bool(connection.execute(_OWNED, named).scalar_one())


def add(connection: sa.Connection, asked: KeyAsked, now: float) -> NewKey:
    """Make a key for a person or a program; agents get theirs by registering.

    Raises
    ------
    Refusal
        There is no such kind of key to be had, or no such consumer.
    """
    _check(asked)
    key = new_key(asked.role)
    owner = asked.owner or (ADMIN if asked.role is Role.ADMIN else name_of(key))
    if asked.owner and not speaks(connection, asked.role, asked.owner, now):
        raise Unacceptable("owner: there is no such consumer; leave it out for a new one.")
    if asked.role is Role.INVITATION and asked.uses is None:
        asked = asked.model_copy(update={"uses": 1})
    return keep(connection, key, Caller(asked.role, owner), now, asked)


def _check(asked: KeyAsked) -> None:
    if asked.role is Role.AGENT:
        raise Unacceptable("role: agents get their keys by registering; make an invitation.")
    if asked.owner and asked.role is not Role.CONSUMER:
        raise Unacceptable("owner: only a consumer can have several keys; leave it out.")
    if asked.uses is not None and asked.role is not Role.INVITATION:
        raise Unacceptable("uses: only an invitation is used up; leave it out.")


def listed(
    connection: sa.Connection, role: Role | None, limit: int, after: Place | None
) -> tuple[list[KeyView], Place | None]:
    """Return a page of keys, youngest first, and where it ended if more follow."""
    query = _LISTED if role is None else _LISTED.where(keys.c.role == role)
    if after is not None:
        place = sa.tuple_(sa.literal(after.created_at), sa.literal(after.key_id))
        query = query.where(sa.tuple_(keys.c.created_at, keys.c.key_id) < place)
    rows = connection.execute(query.limit(limit + 1)).all()
    shown = rows[:limit]
    more = len(rows) > limit
    end = Place(shown[-1].created_at, shown[-1].key_id) if more else None
    return [_view(row) for row in shown], end


def revoke(connection: sa.Connection, key_id: str, now: float) -> KeyView:
    """Make a key invalid from now on; what an agent without another one holds runs out at once.

    Raises
    ------
    Unknown
        There is no such key.
    Conflict
        It is the last one of an administrator.
    """
    row = _held(connection, key_id)
    if row.revoked_at is not None:
        return _view(row)
    revoked = connection.execute(
        sa.update(keys).where(keys.c.key_id == key_id).values(revoked_at=now).returning(*keys.c)
    ).one()
    if not speaks(connection, Role(row.role), row.owner, now):
        _end_of(connection, Role(row.role), row.owner, now)
    return _view(revoked)


def _end_of(connection: sa.Connection, role: Role, owner: str, now: float) -> None:
    if role is Role.ADMIN:
        raise Conflict("key_id: it is the last key of an administrator; make another one first.")
    if role is Role.AGENT:
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.agent_id == owner, jobs.c.lease_expires_at > now)
            .values(lease_expires_at=now)
        )


def rotate(connection: sa.Connection, key_id: str, now: float) -> NewKey:
    """Make a key that takes the place of another, which is revoked.

    Raises
    ------
    Unknown
        There is no such key.
    Conflict
        It is not valid any more.
    """
    row = _held(connection, key_id)
    if connection.execute(_KEY, {"named": key_id, "now": now}).one_or_none() is None:
        raise Conflict("key_id: it is not valid any more; make a new key.")
    role = Role(row.role)
    asked = KeyAsked(
        role=role,
        label=row.label,
        uses=row.uses_left,
        lives_s=None if row.expires_at is None else row.expires_at - now,
    )
    fresh = keep(connection, new_key(role), Caller(role, row.owner), now, asked)
    revoke(connection, key_id, now)
    return fresh


def use_up(connection: sa.Connection, key_id: str) -> bool:
    """Use an invitation once; return whether it had a use left."""
    used = connection.execute(
        sa.update(keys)
        .where(keys.c.key_id == key_id, keys.c.uses_left > 0)
        .values(uses_left=keys.c.uses_left - 1)
    )
    return bool(used.rowcount)


def revoked_since(connection: sa.Connection, since: float) -> frozenset[str]:
    """Return the names of the keys that were revoked from a time on."""
    query = sa.select(keys.c.key_id).where(keys.c.revoked_at >= since)
    return frozenset(connection.execute(query).scalars())


def _held(connection: sa.Connection, key_id: str) -> sa.Row[tuple[object, ...]]:
    """Return a key whose owner's keys nobody else changes until this transaction ends."""
    row = _row(connection, key_id)
    owners = sa.select(keys.c.key_id).where(keys.c.role == row.role, keys.c.owner == row.owner)
    connection.execute(owners.order_by(keys.c.key_id).with_for_update()).all()
    return _row(connection, key_id)


def _row(connection: sa.Connection, key_id: str) -> sa.Row[tuple[object, ...]]:
    row = connection.execute(sa.select(keys).where(keys.c.key_id == key_id)).one_or_none()
    if row is None:
        raise Unknown("key_id: there is no such key.")
    return row


def _view(row: sa.Row[tuple[object, ...]]) -> KeyView:
    return KeyView(
        key_id=row.key_id,
        role=Role(row.role),
        owner=row.owner,
        label=row.label,
        uses_left=row.uses_left,
        created_at=iso(row.created_at),
        expires_at=iso_or_none(row.expires_at),
        revoked_at=iso_or_none(row.revoked_at),
    )
