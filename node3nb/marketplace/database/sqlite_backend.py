"""SQLite: one file, one process, one writer.

It lets one connection write at a time and makes the others sleep and try again, which starves
them; so there is one writer, and what has queued up behind it is committed together.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from node3nb.errors import ConfigError
from node3nb.marketplace.database import migration
from node3nb.marketplace.database.backend import USE, Backend

#: How long it waits for another process's lock, in milliseconds.
BUSY_TIMEOUT_MS = 10_000
#: Primary result codes (https://www.sqlite.org/rescode.html) of what passes, or is mended from
#: outside: another process's lock, a disk that is full or fails.
_GONE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


class SQLite(Backend):
    """A file.

    Parameters
    ----------
    url
        Names it.

    Raises
    ------
    ConfigError
        It names none.
    """

    writers, batch = 1, 64

    def __init__(self, url: URL) -> None:
        if url.database in {None, "", ":memory:"}:
            raise ConfigError(f"db: the URL names no file; {USE}.")
        self._url = url
        self.writer = _engine(url, begin="BEGIN IMMEDIATE")
        self.reader = _engine(url, begin="BEGIN")

    def _migrate(self) -> None:
        """Migrate; tables are copied on the way, so foreign keys are looked at afterwards.

        See https://www.sqlite.org/lang_altertable.html#otheralter.
        """
        engine = _engine(self._url, begin="BEGIN IMMEDIATE", foreign_keys="OFF")
        try:
            with engine.begin() as connection:
                migration.upgrade(connection)
                if connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                    raise ConfigError(
                        "db: rows of the database name rows that are not there; "
                        "restore it from a backup."
                    )
        finally:
            engine.dispose()

    def passing(self, _error: DBAPIError) -> bool:
        """Whether two were in each other's way: the only writer never is."""
        return False

    def gone(self, error: DBAPIError) -> bool:
        """Whether another process holds the file, or the disk is full or fails."""
        code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        return code & 0xFF in _GONE


def _engine(url: URL, begin: str, foreign_keys: str = "ON") -> sa.Engine:
    """Return an engine whose transactions start with `begin`.

    The driver would start them by itself, late and never before a SELECT; see
    https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-serializable
    """

    def prepare(driver_connection: Any, _record: object) -> None:
        driver_connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            f"foreign_keys = {foreign_keys}",
        ):
            driver_connection.execute(f"PRAGMA {pragma}")

    engine = sa.create_engine(url, hide_parameters=True)
    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine
