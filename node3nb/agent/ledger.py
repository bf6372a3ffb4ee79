"""Ledger: what this owner's jobs have earned, kept on disk; one file for all their providers."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from node3nb.jobs import JobResult

#: Ended jobs kept one by one; the sums of each day stay for ever.
KEPT = 10_000
#: Seconds to wait while another provider writes.
BUSY_S = 10.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ended (
    number INTEGER PRIMARY KEY,
    letter TEXT NOT NULL UNIQUE,
    marketplace TEXT NOT NULL,
    job_id TEXT NOT NULL,
    ended_at TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    wall_s REAL NOT NULL,
    reward REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS days (
    marketplace TEXT NOT NULL,
    day TEXT NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    earned REAL NOT NULL,
    PRIMARY KEY (marketplace, day)
) WITHOUT ROWID;
"""
_ENTER = "INSERT OR IGNORE INTO ended VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)"
_COUNT = """
INSERT INTO days VALUES (?, ?, ?, ?, ?)
ON CONFLICT (marketplace, day) DO UPDATE SET
    completed = completed + excluded.completed,
    failed = failed + excluded.failed,
    earned = earned + excluded.earned
"""
_FORGET = "DELETE FROM ended WHERE number <= (SELECT max(number) FROM ended) - ?"
_SUMS = """
SELECT coalesce(sum(completed), 0), coalesce(sum(failed), 0), coalesce(sum(earned), 0.0)
FROM days WHERE marketplace = ? AND day >= ?
"""
_LAST = """
SELECT job_id, marketplace, ended_at, state, reason, wall_s, reward
FROM ended ORDER BY number DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """Jobs and rewards of a time."""

    #: Jobs completed.
    completed: int = 0
    #: Jobs that ended otherwise.
    failed: int = 0
    #: Rewards of the completed ones, in their marketplace's own currency.
    earned: float = 0.0


@dataclass(frozen=True, slots=True)
class EndedJob:
    """One job as the ledger remembers it."""

    #: The marketplace's name for it.
    job_id: str
    #: Where it came from.
    marketplace_url: str
    #: When it ended, as ISO 8601 in UTC.
    ended_at: str
    #: How it ended: completed, failed or cancelled.
    state: str
    #: Why its run ended.
    reason: str
    #: Seconds it ran.
    wall_s: float
    #: What it has paid; 0 unless it completed.
    reward: float


class Ledger:
    """Sums by day, and the last jobs; blocking, for any thread and any number of processes.

    Days are those of this machine's time zone, which `TZ` moves.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def enter(
        self, letter: str, marketplace_url: str, ended_at: str, result: JobResult, reward: float
    ) -> None:
        """Count an ended job that its marketplace knows of; one of the same letter counts once.

        Parameters
        ----------
        letter
            Name of the letter its result was sent with.
        ended_at
            When it ended, as ISO 8601 in UTC.
        reward
            What its completion pays.

        Raises
        ------
        OSError
            It can't be written.
        """
        earned = reward if result.ok else 0.0
        told = (letter, marketplace_url, result.job_id, ended_at, result.state, result.reason)
        with self._open() as file, file:
            if file.execute(_ENTER, (*told, result.wall_s, earned)).rowcount == 1:
                counts = (int(result.ok), int(not result.ok), earned)
                file.execute(_COUNT, (marketplace_url, day_of(ended_at), *counts))
                file.execute(_FORGET, (KEPT,))

    def totals(self, marketplace_url: str) -> tuple[Tally, Tally]:
        """Return what one marketplace's jobs came to today and in all.

        Raises
        ------
        OSError
            It can't be read.
        """
        today = f"{dt.datetime.now().astimezone():%Y-%m-%d}"
        with self._open() as file:
            sums = [file.execute(_SUMS, (marketplace_url, day)).fetchone() for day in (today, "")]
        return Tally(*sums[0]), Tally(*sums[1])

    def last(self, count: int) -> tuple[EndedJob, ...]:
        """Return the last jobs that have ended, of every marketplace, newest first.

        Raises
        ------
        OSError
            It can't be read.
        """
        with self._open() as file:
            return tuple(EndedJob(*row) for row in file.execute(_LAST, (count,)))

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(sqlite3.connect(self._path, timeout=BUSY_S)) as file:
                file.executescript(_SCHEMA)
                yield file
        except sqlite3.Error as error:
            raise OSError(f"The ledger {self._path} can't be used: {error}") from error


def day_of(moment: str) -> str:
    """Return the day, in this machine's time zone, of a time in ISO 8601."""
    return f"{dt.datetime.fromisoformat(moment).astimezone():%Y-%m-%d}"
