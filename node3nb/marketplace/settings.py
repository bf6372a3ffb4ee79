"""What the owner of a marketplace may set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Settings:
    """How one marketplace is run."""

    #: Directory of everything it keeps; made with mode 0700.
    data_dir: Path
    #: SQLAlchemy URL of its database; None is a SQLite file in the data directory.
    db_url: str | None = None
    #: How long a lease lasts without a heartbeat, in seconds; 60 s of silence must be borne.
    lease_s: float = 90.0
    #: How often leases that ran out are looked for, in seconds; a poll looks as well.
    sweep_s: float = 10.0
    #: Largest artifact, in bytes.
    max_artifact_bytes: int = 8 * GIB
    #: Largest log of one attempt, in bytes.
    max_log_bytes: int = 16 * (1 << 20)

    @property
    def database_url(self) -> str:
        """The URL of the database in use."""
        return self.db_url or f"sqlite:///{self.data_dir / 'marketplace.db'}"
