"""The tables of a marketplace.  Times are seconds since 1970 (UTC), sizes are bytes.

The migrations make these tables; a test holds that both say the same.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

#: SQLite numbers rows by itself only in a column of type INTEGER.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")
#: None is the absence of a value, not the JSON word null.
_DATA = JSON(none_as_null=True)


def _only(condition: str) -> Any:
    """Return the condition of an index for both databases."""
    return {f"{dialect}_where": text(condition) for dialect in ("sqlite", "postgresql")}


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: Who may call; the key itself is never kept.
keys = Table(
    "keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("role", Text, nullable=False),
    #: The agent, or the consumer, that the key speaks for.
    Column("owner", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    #: Whose it is, for people.
    Column("label", Text, nullable=False, server_default=""),
    #: Registrations that an invitation is still good for; NULL for other keys.
    Column("uses_left", Integer),
    Column("created_at", Float, nullable=False),
    #: When it ends by itself; NULL is never.
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Index(None, "owner", "role"),
    Index(None, "revoked_at"),
    Index(None, "created_at", "key_id"),
)

#: Machines that registered.
agents = Table(
    "agents",
    metadata,
    Column("agent_id", Text, primary_key=True),
    Column("wallet_address", Text, nullable=False),
    Column("gpu_model", Text, nullable=False),
    Column("gpu_vendor", Text, nullable=False),
    Column("gpu_memory", BigInteger, nullable=False),
    Column("compute_capability", Text),
    Column("state", Text, nullable=False),
    Column("registered_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    #: What the address it registered from is known by; the address itself is not kept.
    Column("registered_from", Text),
    Index(None, "registered_from", "registered_at"),
)

#: What was submitted, and where it stands.
jobs = Table(
    "jobs",
    metadata,
    #: Age: the smaller, the older.
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("job_id", Text, nullable=False, unique=True),
    Column("submitter", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("status", Text, nullable=False),
    #: The submission, as it came.
    Column("spec", _DATA, nullable=False),
    #: What an agent must offer at least, as one word (`resources.Resources.shape`).
    Column("shape", Text, nullable=False),
    #: When it came, put forward by its priority; the smaller, the sooner its turn.
    Column("precedence", Float, nullable=False),
    #: What its completion pays, in millionths.
    Column("reward_micro", BigInteger, nullable=False),
    Column("timeout_s", Float, nullable=False),
    Column("submitted_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    # Who holds it now, or held it last.
    Column("agent_id", Text, ForeignKey("agents.agent_id")),
    Column("lease_id", Text),
    #: Set exactly while the lease runs.
    Column("lease_expires_at", Float),
    #: Acceptances that count against `max_attempts`.
    Column("attempts", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    #: All acceptances ever; names the one that a URL was made for.
    Column("acceptances", Integer, nullable=False),
    # How it ended.
    Column("error_message", Text),
    Column("error_type", Text),
    Column("output_data", _DATA),
    Column("metrics", _DATA),
    UniqueConstraint("submitter", "idempotency_key"),
    Index("ix_jobs_queue", "shape", "precedence", "number", **_only("status = 'available'")),
    Index(None, "status", "number"),
    Index(None, "submitter", "number"),
    Index(None, "agent_id", "number"),
    Index(None, "lease_expires_at"),
    Index("ix_jobs_ended", "finished_at", "number", **_only("finished_at IS NOT NULL")),
    sqlite_autoincrement=True,
)

#: One row for every acceptance of a job.
leases = Table(
    "leases",
    metadata,
    Column("lease_id", Text, primary_key=True),
    Column("job_id", Text, ForeignKey("jobs.job_id"), nullable=False),
    Column("agent_id", Text, ForeignKey("agents.agent_id"), nullable=False),
    #: Which acceptance of the job it is, from 1.
    Column("acceptance", Integer, nullable=False),
    Column("wallet_address", Text, nullable=False),
    #: The caller's own name for its request, by which a repeated one is known.
    Column("request_id", Text),
    Column("accepted_at", Float, nullable=False),
    Column("ended_at", Float),
    #: completed, failed, released, expired or cancelled; NULL while it runs.
    Column("outcome", Text),
    #: The answer its end was given, for whoever asks again.
    Column("answer", _DATA),
    #: When and how long it ran, in the agent's words.
    Column("report", _DATA),
    UniqueConstraint("job_id", "acceptance"),
)

#: What was paid: one row for every completed job, from its submitter to its agent; none is ever
#: deleted, so it names jobs and leases that may have been removed.
ledger = Table(
    "ledger",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    #: A job is paid once.
    Column("job_id", Text, nullable=False, unique=True),
    #: The acceptance that completed it.
    Column("lease_id", Text, nullable=False, unique=True),
    Column("submitter", Text, nullable=False),
    Column("agent_id", Text, ForeignKey("agents.agent_id"), nullable=False),
    #: Where the agent is paid.
    Column("wallet_address", Text, nullable=False),
    Column("amount_micro", BigInteger, nullable=False),
    Column("booked_at", Float, nullable=False),
    #: When its job was removed, after it was compared with it; NULL while the job is there.
    Column("closed_at", Float),
    Index(None, "agent_id", "number"),
    Index(None, "submitter", "number"),
    Index("ix_ledger_open", "number", **_only("closed_at IS NULL")),
    sqlite_autoincrement=True,
)

#: What each agent was owed for jobs that have been removed, counted as they went.
closed = Table(
    "closed",
    metadata,
    Column("agent_id", Text, ForeignKey("agents.agent_id"), primary_key=True),
    #: How many there were.
    Column("jobs", BigInteger, nullable=False),
    #: What they promised: the whole units of each added up, and the millionths left over.
    Column("units", BigInteger, nullable=False),
    Column("micro", BigInteger, nullable=False),
)

#: What happened to a job, oldest first.
events = Table(
    "events",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("job_id", Text, ForeignKey("jobs.job_id"), nullable=False),
    Column("at", Float, nullable=False),
    Column("event", Text, nullable=False),
    Column("agent_id", Text),
    Column("detail", Text, nullable=False),
    Index(None, "job_id", "number"),
)

#: Files kept for a job.
artifacts = Table(
    "artifacts",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.job_id"), primary_key=True),
    #: input or output.
    Column("kind", Text, primary_key=True),
    #: What the file is called where files are kept; a name is never given twice.
    Column("name", Text, nullable=False, index=True),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    #: The acceptance that sent it; 0 for the submitter.
    Column("acceptance", Integer, nullable=False),
    Column("stored_at", Float, nullable=False),
)

#: Files on their way: each is here before its first byte is anywhere.
uploads = Table(
    "uploads",
    metadata,
    Column("name", Text, primary_key=True),
    Column("job_id", Text, ForeignKey("jobs.job_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("acceptance", Integer, nullable=False),
    #: What it is charged with: all that was announced, or what has come so far.
    Column("bytes", BigInteger, nullable=False),
    #: What a file that goes past the server must hash to; NULL for one that comes through it.
    Column("sha256", Text),
    #: When it is given up.
    Column("expires_at", Float, nullable=False),
    Index(None, "job_id", "kind"),
    Index(None, "expires_at"),
)

#: What is charged to each submitter: the sum over its jobs' artifacts and uploads.
storage = Table(
    "storage",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("files", Integer, nullable=False),
)
