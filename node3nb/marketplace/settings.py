"""What the owner of a marketplace may set."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path

GIB = 1 << 30
DAY_S = 86_400.0


class Registration(enum.StrEnum):
    """Who may become an agent."""

    #: Everybody, within `agents_per_address`.
    OPEN = "open"
    #: Who sends an invitation, or an administrator's key, as X-API-Key.
    INVITED = "invited"
    #: Nobody.
    CLOSED = "closed"


class LogFormat(enum.StrEnum):
    """How a line of the log looks."""

    #: For people.
    TEXT = "text"
    #: One JSON object.
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Hosting:
    """How a marketplace is offered as a process."""

    #: Address to listen on.
    host: str = "127.0.0.1"
    #: Port to listen on; 0 lets the system choose.
    port: int = 8000
    #: How long uploads and downloads that run at the end may take, in seconds.
    grace_s: float = 10.0
    #: Addresses of the proxies whose word on who calls is taken, with commas between.
    trusted_proxies: str = ""
    #: How a line of the log looks.
    log: LogFormat = LogFormat.TEXT
    #: Processes that serve; more than one need PostgreSQL.
    workers: int = 1
    #: What is left out of the log, as `logging` names it; lines of calls are `info`.
    log_level: str = "warning"


@dataclass(frozen=True, slots=True)
class Settings:
    """How one marketplace is run."""

    #: Directory of everything it keeps; made with mode 0700.
    data_dir: Path
    #: SQLAlchemy URL of its database; None is a SQLite file in the data directory.
    db_url: str | None = field(default=None, repr=False)
    #: How long a lease lasts without a heartbeat, in seconds; 60 s of silence must be borne.
    lease_s: float = 90.0
    #: How often leases that ran out are looked for, in seconds; a poll looks as well.
    sweep_s: float = 10.0
    #: Largest artifact, in bytes.
    max_artifact_bytes: int = 8 * GIB
    #: Bucket in which artifacts are kept, as s3://BUCKET/PREFIX; None is the data directory.
    artifacts_url: str | None = None
    #: What may be kept for one submitter, in bytes; outputs may go to twice as much.
    quota_bytes: int = 64 * GIB
    #: What may be kept for one submitter, in files; outputs may go to twice as many.
    quota_files: int = 100_000
    #: How long inputs are kept after their job ended, in days.
    keep_inputs_days: float = 1.0
    #: How long outputs are kept after their job ended, in days.
    keep_outputs_days: float = 30.0
    #: How long a job is kept after its end, in days, with its history, leases and idempotency key;
    #: at least as long as its files.
    keep_jobs_days: float = 90.0
    #: How often what nothing needs is looked for, in seconds.
    tidy_s: float = 600.0
    #: Largest log of one attempt, in bytes.
    max_log_bytes: int = 16 * (1 << 20)
    #: Who may become an agent.
    registration: Registration = Registration.OPEN
    #: Agents that may register from one address within a day.
    agents_per_address: int = 2000
    #: Calls a second that one key may go on making, to each server process; five seconds' worth
    #: may come at once.  A provider makes about eight calls for each job.
    calls_per_s: float = 2000.0
    #: The same for one address without a valid key, files under signed URLs among them.
    keyless_calls_per_s: float = 1000.0
    #: Calls of one key, or of one address without one, that may be in progress at once.
    calls_at_once: int = 2000
    #: How it is offered as a process.
    hosting: Hosting = Hosting()

    @property
    def database_url(self) -> str:
        """The URL of the database in use."""
        return self.db_url or f"sqlite:///{self.data_dir / 'marketplace.db'}"
