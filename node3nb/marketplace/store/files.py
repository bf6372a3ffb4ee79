"""Which files are kept for a job, and who may fetch or send them."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from node3nb.marketplace.database.schema import artifacts, jobs
from node3nb.marketplace.refusals import Conflict, Unknown
from node3nb.marketplace.store import attempts, history, queue, storage, uploads
from node3nb.marketplace.store.attempts import Attempt
from node3nb.marketplace.store.history import Event
from node3nb.marketplace.store.queue import Freed
from node3nb.marketplace.wire.protocol import JobStatus
from node3nb.marketplace.wire.words import ArtifactKind


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is there whole."""

    #: What it is called where files are kept.
    name: str
    #: Its size.
    bytes: int
    #: SHA-256 of its content, in hex.
    sha256: str

    def same_as(self, other: StoredFile) -> bool:
        """Whether the other has the same content."""
        return (self.bytes, self.sha256) == (other.bytes, other.sha256)


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a file that was sent."""

    #: The file that is kept.
    file: StoredFile
    #: The job, when the file made it available.
    freed: Freed | None = None
    #: Names of files that nothing needs any more.
    spare: tuple[str, ...] = ()


def kept(connection: sa.Connection, job_id: str, kind: ArtifactKind) -> StoredFile:
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


def _kept_or_none(connection: sa.Connection, job_id: str, kind: ArtifactKind) -> StoredFile | None:
    row = connection.execute(
        sa.select(artifacts.c.name, artifacts.c.bytes, artifacts.c.sha256).where(
            artifacts.c.job_id == job_id, artifacts.c.kind == kind
        )
    ).one_or_none()
    return None if row is None else StoredFile(row.name, row.bytes, row.sha256)


def expected_input(connection: sa.Connection, job_id: str) -> str:
    """Return the SHA-256 that the submission named for its input; empty when it named none.

    Raises
    ------
    Unknown
        There is no such job.
    """
    query = sa.select(jobs.c.spec).where(jobs.c.job_id == job_id)
    spec = connection.execute(query).scalar_one_or_none()
    if spec is None:
        raise Unknown
    return spec["input_sha256"] or ""


def keep_input(connection: sa.Connection, job_id: str, file: StoredFile, now: float) -> Kept:
    """Keep the input a submitter announced, and offer the job; the same again is no change.

    Raises
    ------
    Conflict
        The job does not wait for an input, or the file was given up on its way.
    """
    attempts.hold(connection, job_id)
    earlier = _kept_or_none(connection, job_id, ArtifactKind.INPUT)
    if earlier is not None and earlier.same_as(file):
        given_up = uploads.discard(connection, file.name)  # it is not when told of twice at once
        return Kept(earlier, spare=(file.name,) if given_up else ())
    freed = queue.make_available(connection, job_id)
    if freed is None:
        status = attempts.require_job(connection, job_id)
        raise Conflict(
            f"The job is {status} and waits for no input; submit it with `awaits_input`."
        )
    uploads.take(connection, file.name, file.bytes)
    _insert(connection, job_id, ArtifactKind.INPUT, file=file, acceptance=0, now=now)
    history.record(connection, now, job_id, Event.INPUT_STORED, detail=f"{file.bytes} bytes")
    return Kept(file, freed)


def keep_output(
    connection: sa.Connection, attempt: Attempt, lease_id: str | None, file: StoredFile, now: float
) -> Kept:
    """Keep the outputs of an attempt that still counts, in place of those of an earlier one.

    Raises
    ------
    Refusal
        The attempt has ended while the file was on its way, or the file was given up.
    """
    job_id = attempt.job_id
    attempts.hold(connection, job_id)
    fresh = attempts.find(connection, job_id, attempt.agent_id, attempt.lease_id)
    attempts.require_open(fresh, lease_id)
    uploads.take(connection, file.name, file.bytes)
    replaced = connection.execute(
        sa.delete(artifacts)
        .where(artifacts.c.job_id == job_id, artifacts.c.kind == ArtifactKind.OUTPUT)
        .returning(artifacts.c.name, artifacts.c.bytes)
    ).all()
    for row in replaced:
        storage.discharge(connection, job_id, row.bytes)
    _insert(
        connection,
        job_id,
        ArtifactKind.OUTPUT,
        file=file,
        acceptance=attempt.acceptance,
        now=now,
    )
    spare = uploads.unnamed(connection, [row.name for row in replaced])
    return Kept(file, spare=tuple(spare))


def _insert(
    connection: sa.Connection,
    job_id: str,
    kind: ArtifactKind,
    *,
    file: StoredFile,
    acceptance: int,
    now: float,
) -> None:
    connection.execute(
        sa.insert(artifacts).values(
            job_id=job_id,
            kind=kind,
            name=file.name,
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
