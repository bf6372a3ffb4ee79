"""PostgreSQL: any number of processes at once, each with a small pool.

Every operation is a transaction of its own at READ COMMITTED; what it reads before it changes
it, it holds (`attempts.hold`) or finds with SKIP LOCKED.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import AsyncIterator

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from node3nb.errors import ConfigError
from node3nb.marketplace.database import migration
from node3nb.marketplace.database.backend import READERS, USE, SharedBackend

_log = logging.getLogger(__name__)

#: Settings of libpq that a URL may override.  A server gets 5 s to take a connection, a
#: statement 60 s, and sent bytes 10 s to be acknowledged, so that a dead network is noticed.
_CONNECTION = {
    "application_name": "node3nb",
    "connect_timeout": "5",
    "options": "-c statement_timeout=60s -c idle_in_transaction_session_timeout=60s",
    "tcp_user_timeout": "10000",
}
#: Names the advisory lock under which one process migrates at a time: "node3nb" in bytes.
_MIGRATION_LOCK = int.from_bytes(b"node3nb")
#: Where processes tell each other of jobs (https://www.postgresql.org/docs/15/sql-notify.html).
_CHANNEL = "node3nb_jobs"
_NOTIFY = sa.select(sa.func.pg_notify(_CHANNEL, sa.bindparam("ringer")))
#: SQLSTATEs of operations that were in each other's way: serialization_failure,
#: deadlock_detected, unique_violation (the same name was given a moment before).
_PASSING = ("40001", "40P01", "23505")


class PostgreSQL(SharedBackend):
    """A database of a server.

    Parameters
    ----------
    url
        Names it; what it leaves out, the password above all, libpq takes from its usual
        environment and files (PGPASSWORD, ~/.pgpass).

    Raises
    ------
    ConfigError
        The driver is not installed, or the URL names another.
    """

    writers, batch = 4, 1

    def __init__(self, url: URL) -> None:
        if url.drivername != "postgresql+psycopg":
            raise ConfigError(f"db: {url.drivername} is not supported; {USE}.")
        if importlib.util.find_spec("psycopg") is None:
            raise ConfigError("db: PostgreSQL needs psycopg; run: pip install 'node3nb[postgres]'")
        self._url = url
        self.writer = _engine(url, self.writers)
        self.reader = _engine(url, READERS).execution_options(isolation_level="AUTOCOMMIT")

    def _migrate(self) -> None:
        with self.writer.begin() as connection:
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            migration.upgrade(connection)

    def passing(self, error: DBAPIError) -> bool:
        """Whether the connection was lost before a commit, or two were in each other's way."""
        return error.connection_invalidated or _sqlstate(error) in _PASSING

    def gone(self, error: DBAPIError) -> bool:
        """Whether the connection is lost, or the server is stopping, starting or out of room."""
        return isinstance(error, (OperationalError, InterfaceError))

    def ring(self, connection: sa.Connection, ringer: str) -> None:
        """Tell the other processes that jobs wait, once this transaction is committed."""
        connection.execute(_NOTIFY, {"ringer": ringer})

    async def rings(self) -> AsyncIterator[str]:
        """Yield who tells that jobs wait, until the connection is lost."""
        import psycopg  # noqa: PLC0415 - an extra of the package

        uri = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        where = psycopg.conninfo.make_conninfo(uri, **_settings(self._url))
        try:
            async with await psycopg.AsyncConnection.connect(where, autocommit=True) as connection:
                await connection.execute(f"LISTEN {_CHANNEL}")
                async for ring in connection.notifies():
                    yield ring.payload
        except psycopg.Error as error:
            _log.info("Other processes are not heard: %s.", type(error).__name__)


def _settings(url: URL) -> dict[str, str]:
    return {name: value for name, value in _CONNECTION.items() if name not in url.query}


def _engine(url: URL, connections: int) -> sa.Engine:
    engine = sa.create_engine(
        url,
        connect_args=_settings(url),
        hide_parameters=True,
        max_overflow=0,
        pool_size=connections,
    )
    sa.event.listen(engine, "handle_error", _forget_values)
    return engine


def _forget_values(context: sa.engine.ExceptionContext) -> None:
    """Keep the first line of what the server says; the others quote what was stored."""
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args:
            error.args = (str(error.args[0]).partition("\n")[0], *error.args[1:])


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)
