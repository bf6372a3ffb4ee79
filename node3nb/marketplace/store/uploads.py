"""Files on their way: each has a row before its first byte is kept, and until it is an artifact.

A name is drawn once and never again.  So a file whose name is in no row, once it has been seen
without, belongs to nothing and never will: whoever clears up needs no lock and no guess of how
long an upload may take.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from node3nb.marketplace.database.schema import artifacts, uploads
from node3nb.marketplace.refusals import Conflict
from node3nb.marketplace.store import attempts, storage
from node3nb.marketplace.store.storage import Charge, Quota
from node3nb.marketplace.wire.words import ArtifactKind

#: Uploads given up in one transaction.
EXPIRED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way."""

    #: What it is called where files are kept.
    name: str
    #: The job it belongs to.
    job_id: str
    #: What it is to the job.
    kind: ArtifactKind
    #: The acceptance that sends it; 0 for the submitter.
    acceptance: int
    #: Bytes it is charged with.
    bytes: int
    #: What it must hash to, in hex, when it goes past the server; None when it comes through it.
    sha256: str | None
    #: When it is given up.
    expires_at: float


def new_name() -> str:
    """Return a name nobody can guess, spread over 256 directories."""
    drawn = secrets.token_hex(20)
    return f"{drawn[:2]}/{drawn[2:]}"


def begin(connection: sa.Connection, upload: Upload, quota: Quota) -> list[str]:
    """Let a file come; return the names of those that one past the server takes the place of.

    Raises
    ------
    OverQuota
        Its submitter would have more than its quota.
    Unknown
        Its job was removed a moment ago.
    """
    attempts.hold(connection, upload.job_id)
    replaced = _give_up_earlier(connection, upload) if upload.sha256 is not None else []
    storage.charge(connection, upload.job_id, Charge(upload.bytes, 1), quota.of(upload.kind))
    connection.execute(
        sa.insert(uploads).values(
            name=upload.name,
            job_id=upload.job_id,
            kind=upload.kind,
            acceptance=upload.acceptance,
            bytes=upload.bytes,
            sha256=upload.sha256,
            expires_at=upload.expires_at,
        )
    )
    return replaced


def _give_up_earlier(connection: sa.Connection, upload: Upload) -> list[str]:
    rows = connection.execute(
        sa.delete(uploads)
        .where(
            uploads.c.job_id == upload.job_id,
            uploads.c.kind == upload.kind,
            uploads.c.sha256.is_not(None),
        )
        .returning(uploads.c.name, uploads.c.job_id, uploads.c.bytes)
    ).all()
    return _discharged(connection, rows)


def go_on(
    connection: sa.Connection, name: str, grown_to: int, expires_at: float, quota: Quota
) -> None:
    """Charge a file that comes through the server with what has come, and let it go on.

    Raises
    ------
    OverQuota
        Its submitter would have more than its quota.
    Conflict
        It was given up.
    """
    row = connection.execute(
        sa.select(uploads).where(uploads.c.name == name).with_for_update()
    ).one_or_none()
    if row is None:
        raise _given_up()
    more = max(0, grown_to - row.bytes)
    storage.charge(connection, row.job_id, Charge(more), quota.of(ArtifactKind(row.kind)))
    connection.execute(
        sa.update(uploads)
        .where(uploads.c.name == name)
        .values(bytes=row.bytes + more, expires_at=expires_at)
    )


def find(connection: sa.Connection, job_id: str, kind: ArtifactKind, name: str) -> Upload | None:
    """Return a file that goes past the server; None when there is none of that name."""
    row = connection.execute(
        sa.select(uploads).where(
            uploads.c.name == name,
            uploads.c.job_id == job_id,
            uploads.c.kind == kind,
            uploads.c.sha256.is_not(None),
        )
    ).one_or_none()
    return None if row is None else Upload(**row._mapping)  # noqa: SLF001 - its public name


def take(connection: sa.Connection, name: str, bytes_: int) -> None:
    """End the way of a file that has arrived with so many bytes; its charge is the caller's now.

    Raises
    ------
    Conflict
        It was given up before.
    """
    row = connection.execute(
        sa.delete(uploads)
        .where(uploads.c.name == name)
        .returning(uploads.c.job_id, uploads.c.bytes)
    ).one_or_none()
    if row is None:
        raise _given_up()
    storage.settle(connection, row.job_id, row.bytes - bytes_)


def discard(connection: sa.Connection, name: str) -> bool:
    """Give a file up; return whether it was still on its way."""
    rows = connection.execute(
        sa.delete(uploads)
        .where(uploads.c.name == name)
        .returning(uploads.c.name, uploads.c.job_id, uploads.c.bytes)
    ).all()
    return bool(_discharged(connection, rows))


def expire(connection: sa.Connection, now: float) -> list[str]:
    """Give up what did not arrive in time; return the names."""
    first = (
        sa.select(uploads.c.name)
        .where(uploads.c.expires_at <= now)
        .order_by(uploads.c.expires_at)
        .limit(EXPIRED_AT_ONCE)
    )
    rows = connection.execute(
        sa.delete(uploads)
        .where(uploads.c.name.in_(first), uploads.c.expires_at <= now)
        .returning(uploads.c.name, uploads.c.job_id, uploads.c.bytes)
    ).all()
    return _discharged(connection, rows)


def unnamed(connection: sa.Connection, names: list[str]) -> list[str]:
    """Return those names that belong to no file kept or on its way."""
    if not names:
        return []
    named = sa.union_all(
        sa.select(artifacts.c.name).where(artifacts.c.name.in_(names)),
        sa.select(uploads.c.name).where(uploads.c.name.in_(names)),
    )
    known = frozenset(connection.execute(named).scalars())
    return [name for name in names if name not in known]


def _discharged(connection: sa.Connection, rows: Sequence[Any]) -> list[str]:
    for row in rows:
        storage.discharge(connection, row.job_id, row.bytes)
    return [row.name for row in rows]


def _given_up() -> Conflict:
    return Conflict("body: the upload took too long and was given up; start it again.")
