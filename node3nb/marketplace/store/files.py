"""Which files are kept for a job, and who may fetch or send them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import sqlalchemy as sa

from node3nb.marketplace.protocol import JobStatus
from node3nb.marketplace.refusals import Conflict, Unknown
from node3nb.marketplace.schema import artifacts, jobs
from node3nb.marketplace.store import attempts, history, queue
from node3nb.marketplace.store.attempts import Attempt
from node3nb.marketplace.store.history import Event
from node3nb.marketplace.store.queue import Freed


class Kind(enum.StrEnum):
    """What an artifact is to its job."""

    #: What the submitter sends and the agent fetches.
    INPUT = "input"
    #: What the agent sends and the submitter fetches.
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file whose bytes are on disk."""

    #: Its size.
    bytes: int
    #: SHA-256 of its content, in hex; also its name on disk.
    sha256: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a file that was sent."""

    #: The job, when the file made it available.
    freed: Freed | None = None


def kept(connection: sa.Connection, job_id: str, kind: Kind) -> StoredFile:
    """Return a job's file.

    Raises
    ------
    Unknown
        None is kept.
    """
    found = _kept_or_none(connection, job_id, kind)
    if found is None:
        raise Unknown(f"{kind}: none is kept for this job.")
    return found


def named(connection: sa.Connection, job_id: str) -> frozenset[str]:
    """Return the SHA-256 of every file that is kept for a job."""
    query = sa.select(artifacts.c.sha256).where(artifacts.c.job_id == job_id)
    return frozenset(connection.execute(query).scalars())


def _kept_or_none(connection: sa.Connection, job_id: str, kind: Kind) -> StoredFile | None:
    row = connection.execute(
        sa.select(artifacts.c.bytes, artifacts.c.sha256).where(
            artifacts.c.job_id == job_id, artifacts.c.kind == kind
        )
    ).one_or_none()
    return None if row is None else StoredFile(row.bytes, row.sha256)


def expected_input(connection: sa.Connection, job_id: str) -> str:
    """Return the SHA-256 that the submission named for its input; empty when it named none."""
    spec = connection.execute(sa.select(jobs.c.spec).where(jobs.c.job_id == job_id)).scalar_one()
    return spec["input_sha256"] or ""


def keep_input(connection: sa.Connection, job_id: str, file: StoredFile, now: float) -> Kept:
    """Keep the input a submitter announced, and offer the job; the same again is no change.

    Raises
    ------
    Conflict
        The job does not wait for an input.
    """
    attempts.hold(connection, job_id)
    if _kept_or_none(connection, job_id, Kind.INPUT) == file:
        return Kept()
    freed = queue.make_available(connection, job_id)
    if freed is None:
        status = attempts.require_job(connection, job_id)
        raise Conflict(
            f"The job is {status} and waits for no input; submit it with `awaits_input`."
        )
    _insert(connection, job_id, Kind.INPUT, file=file, acceptance=0, now=now)
    history.record(connection, now, job_id, Event.INPUT_STORED, detail=f"{file.bytes} bytes")
    return Kept(freed=freed)


def keep_output(
    connection: sa.Connection, attempt: Attempt, lease_id: str | None, file: StoredFile, now: float
) -> None:
    """Keep the outputs of an attempt that still counts, in place of those of an earlier one.

    Raises
    ------
    Refusal
        The attempt has ended while the file was on its way.
    """
    attempts.hold(connection, attempt.job_id)
    fresh = attempts.find(connection, attempt.job_id, attempt.agent_id, attempt.lease_id)
    attempts.require_open(fresh, lease_id)
    connection.execute(
        sa.delete(artifacts).where(
            artifacts.c.job_id == attempt.job_id, artifacts.c.kind == Kind.OUTPUT
        )
    )
    _insert(
        connection,
        attempt.job_id,
        Kind.OUTPUT,
        file=file,
        acceptance=attempt.acceptance,
        now=now,
    )


def _insert(
    connection: sa.Connection,
    job_id: str,
    kind: Kind,
    *,
    file: StoredFile,
    acceptance: int,
    now: float,
) -> None:
    connection.execute(
        sa.insert(artifacts).values(
            job_id=job_id,
            kind=kind,
            bytes=file.bytes,
            sha256=file.sha256,
            acceptance=acceptance,
            stored_at=now,
        )
    )


def sending(connection: sa.Connection, job_id: str, agent_id: str, lease_id: str | None) -> Attempt:
    """Note that an agent sends its outputs.

    Raises
    ------
    Refusal
        The job is unknown, or its outputs are not wanted from this agent.
    """
    attempts.hold(connection, job_id)
    attempt = attempts.find(connection, job_id, agent_id, lease_id)
    attempts.require_open(attempt, lease_id)
    attempts.advance(connection, attempt, JobStatus.UPLOADING)
    return attempt


def fetching(connection: sa.Connection, attempt: Attempt) -> None:
    """Note that an agent fetches its input."""
    attempts.advance(connection, attempt, JobStatus.DOWNLOADING)
