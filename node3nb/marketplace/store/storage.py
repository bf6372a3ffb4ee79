"""What each submitter is charged with for the files of its jobs, and how much it may have.

The charge is changed in the transaction that adds, grows or removes the file, by one statement
that compares as it adds: calls that race for the last byte can't both have it.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from node3nb.marketplace.database.schema import jobs, storage
from node3nb.marketplace.refusals import OverQuota, Unknown
from node3nb.marketplace.wire.words import ArtifactKind

#: How much further outputs may go than inputs, so that whoever has filled the store with inputs
#: does not cost the agents that work for it their pay.
OUTPUT_HEADROOM = 2


@dataclass(frozen=True, slots=True)
class Quota:
    """What one submitter may have kept."""

    #: Bytes.
    bytes: int
    #: Files.
    files: int

    def of(self, kind: ArtifactKind) -> Quota:
        """Return how far files of a kind may go."""
        times = OUTPUT_HEADROOM if kind is ArtifactKind.OUTPUT else 1
        return Quota(self.bytes * times, self.files * times)


@dataclass(frozen=True, slots=True)
class Charge:
    """A change of what a submitter is charged with."""

    #: Bytes more, or less.
    bytes: int = 0
    #: Files more, or less.
    files: int = 0


def charge(connection: sa.Connection, job_id: str, more: Charge, quota: Quota) -> None:
    """Charge the submitter of a job.

    Raises
    ------
    OverQuota
        It would have more than its quota.
    Unknown
        There is no such job any more.
    """
    owner = _owner(connection, job_id)
    within = (
        storage.c.bytes + more.bytes <= quota.bytes,
        storage.c.files + more.files <= quota.files,
    )
    if not _add(connection, owner, more, *within):
        _open(connection, owner)
        if not _add(connection, owner, more, *within):
            raise OverQuota(_told(connection, owner, more, quota))


def discharge(connection: sa.Connection, job_id: str, bytes_: int) -> None:
    """Take a file of so many bytes off the charge of a job's submitter."""
    _add(connection, _owner(connection, job_id), Charge(-bytes_, -1))


def settle(connection: sa.Connection, job_id: str, surplus: int) -> None:
    """Take bytes off the charge that were announced and did not come."""
    if surplus:
        _add(connection, _owner(connection, job_id), Charge(-surplus))


def _add(
    connection: sa.Connection, owner: str, more: Charge, *conditions: sa.ColumnElement[bool]
) -> bool:
    changed = connection.execute(
        sa.update(storage)
        .where(storage.c.owner == owner, *conditions)
        .values(bytes=storage.c.bytes + more.bytes, files=storage.c.files + more.files)
    )
    return changed.rowcount == 1


def _open(connection: sa.Connection, owner: str) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    row = insert(storage).values(owner=owner, bytes=0, files=0)
    connection.execute(row.on_conflict_do_nothing())


def _owner(connection: sa.Connection, job_id: str) -> str:
    query = sa.select(jobs.c.submitter).where(jobs.c.job_id == job_id)
    owner = connection.execute(query).scalar_one_or_none()
    if owner is None:
        raise Unknown
    return str(owner)


def _told(connection: sa.Connection, owner: str, more: Charge, quota: Quota) -> str:
    kept = connection.execute(
        sa.select(storage.c.bytes, storage.c.files).where(storage.c.owner == owner)
    ).one()
    if kept.files + more.files > quota.files:
        return (
            f"body: {kept.files} files are kept for the submitter of this job, as many as it may "
            "have; wait until those of ended jobs are removed."
        )
    return (
        f"body: {kept.bytes} bytes are kept for the submitter of this job and {quota.bytes} are "
        f"allowed; send {max(0, quota.bytes - kept.bytes)} bytes or less, or wait until those of "
        "ended jobs are removed."
    )
