"""Ledger: what this owner's jobs have earned, kept on disk; one file for all their providers."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from node3nb.jobs import JobResult
from node3nb.marketplace.client.grouped import Grouped

#: Name of a letter, and what it adds to which day.
_Entry = tuple[str, tuple[str, str, int, int, float]]
#: Letters remembered, so that one that is delivered twice counts once.
KEPT = 10_000
#: Seconds to wait while another provider writes.
BUSY_S = 10.0
#: Held while a file is made: to close it lets go of all locks this process has on it (fcntl(2)).
_MAKING = threading.Lock()

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ended (
    number INTEGER PRIMARY KEY,
    letter TEXT NOT NULL UNIQUE
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
_ENTER = "INSERT OR IGNORE INTO ended VALUES (NULL, ?)"
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


@dataclass(frozen=True, slots=True)
class Tally:
    """Jobs and rewards of a time."""

    #: Jobs completed.
    completed: int = 0
    #: Jobs that ended otherwise.
    failed: int = 0
    #: Rewards of the completed ones, in their marketplace's own currency.
    earned: float = 0.0


class LedgerBusy(OSError):
    """The ledger can't be written now: the disk is full, or somebody else writes for long."""


class Ledger:
    """Sums by day; blocking, for any thread and any number of processes.

    Days are those of this machine's time zone, which `TZ` moves.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made = False
        self._entries: Grouped[_Entry, None] = Grouped(self._enter_all)

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
        counts = int(result.ok), int(not result.ok), reward if result.ok else 0.0
        self._entries.do((letter, (marketplace_url, day_of(ended_at), *counts)))

    def _enter_all(self, entries: Sequence[_Entry]) -> Sequence[None]:
        """Count what several threads ask for in one transaction: each is a wait for the disk."""
        with self._open() as file, file:
            for letter, counts in entries:
                if file.execute(_ENTER, (letter,)).rowcount == 1:
                    file.execute(_COUNT, counts)
            file.execute(_FORGET, (KEPT,))
        return [None] * len(entries)

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

    def marketplaces(self) -> Mapping[str, tuple[Tally, Tally]]:
        """Return what each marketplace's jobs came to today and in all, by its URL.

        Raises
        ------
        OSError
            It can't be read.
        """
        if not self._path.exists():
            return {}
        with self._open() as file:
            urls = [url for (url,) in file.execute("SELECT DISTINCT marketplace FROM days")]
        return {url: self.totals(url) for url in sorted(urls)}

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with _MAKING:
            _make_private(self._path)
        try:
            with contextlib.closing(sqlite3.connect(self._path, timeout=BUSY_S)) as file:
                if not self._made:
                    file.executescript(_SCHEMA)
                    self._made = True
                yield file
        except sqlite3.Error as error:
            kind = LedgerBusy if isinstance(error, sqlite3.OperationalError) else OSError
            raise kind(f"The ledger {self._path} can't be used: {error}") from error


def _make_private(path: Path) -> None:
    """See that the file is there, no link, and for its owner alone to read."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, flags, 0o600))
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"The ledger {path} is no plain file; remove it, its sums start anew.")
    if os.name == "posix" and found.st_mode & 0o077:
        path.chmod(0o600)


def day_of(moment: str) -> str:
    """Return the day, in this machine's time zone, of a time in ISO 8601."""
    return f"{dt.datetime.fromisoformat(moment).astimezone():%Y-%m-%d}"
