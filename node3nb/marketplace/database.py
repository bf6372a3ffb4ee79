"""The database: every change goes through one writer, reads run beside it.

SQLite lets one connection write at a time and makes the others sleep and try again, which
starves them; one writer with a queue holds a claim at milliseconds.  What has queued up while
a transaction was being synced to disk is committed together in the next one, each operation
in a savepoint of its own.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from node3nb.errors import ConfigError
from node3nb.marketplace import migration

#: Most operations committed together.
BATCH = 64
#: Threads that read.
READERS = 2
#: How long SQLite waits for another process's lock, in milliseconds.
BUSY_TIMEOUT_MS = 10_000

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Operation:
    """A change that waits for its turn."""

    #: What to do with the connection.
    call: Callable[[sa.Connection], Any]
    #: Where its caller waits.
    future: Future[Any] = field(default_factory=Future)

    def run(self, connection: sa.Connection) -> Callable[[], None]:
        """Do it, and return what tells the caller once it is committed.

        Raises
        ------
        DBAPIError
            The database itself failed; nothing of the transaction can be trusted.
        """
        try:
            with _savepoint(connection):
                value = self.call(connection)
        except DBAPIError as error:
            if not isinstance(error, IntegrityError):
                raise
            return partial(self.future.set_exception, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's
            return partial(self.future.set_exception, error)
        return partial(self.future.set_result, value)


class Database:
    """One database, open between entering and leaving.

    Parameters
    ----------
    url
        SQLAlchemy URL of a SQLite file.

    Raises
    ------
    ConfigError
        The URL names something else.
    """

    def __init__(self, url: str) -> None:
        parsed = _checked(url)
        self._writer = _engine(parsed, begin="BEGIN IMMEDIATE")
        self._reader = _engine(parsed, begin="BEGIN")
        self._queue: queue.SimpleQueue[_Operation | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="node3nb-db", daemon=True)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="node3nb-db-read")

    def __enter__(self) -> Self:
        with self._writer.begin() as connection:
            migration.upgrade(connection)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        self._readers.shutdown()
        self._writer.dispose()
        self._reader.dispose()

    def write(
        self,
        operation: Callable[Concatenate[sa.Connection, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Future[T]:
        """Queue a change; its future is done when it is on disk, or was refused."""
        queued = _Operation(lambda connection: operation(connection, *args, **kwargs))
        self._queue.put(queued)
        return queued.future

    def read(
        self,
        operation: Callable[Concatenate[sa.Connection, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Future[T]:
        """Queue a read of what is committed."""
        return self._readers.submit(self._read, lambda c: operation(c, *args, **kwargs))

    def _read(self, operation: Callable[[sa.Connection], T]) -> T:
        with self._reader.connect() as connection:
            return operation(connection)

    def _write_all(self) -> None:
        with self._writer.connect() as connection:
            while batch := self._next_batch():
                _commit(connection, batch)

    def _next_batch(self) -> list[_Operation]:
        """Wait for an operation and return it with all that stand behind it; none is the end."""
        batch: list[_Operation] = []
        operation = self._queue.get()
        while operation is not None:
            if operation.future.set_running_or_notify_cancel():
                batch.append(operation)
            if len(batch) == BATCH or (batch and self._queue.empty()):
                return batch
            operation = self._queue.get()
        if batch:
            self._queue.put(None)
        return batch


@contextlib.contextmanager
def _savepoint(connection: sa.Connection) -> Iterator[None]:
    """Undo what fails within; `Connection.begin_nested` takes a quarter of a millisecond more."""
    connection.exec_driver_sql("SAVEPOINT operation")
    try:
        yield
    except Exception:
        connection.exec_driver_sql("ROLLBACK TO operation")
        raise
    finally:
        connection.exec_driver_sql("RELEASE operation")


def _commit(connection: sa.Connection, batch: list[_Operation]) -> None:
    try:
        with connection.begin():
            settlements = [operation.run(connection) for operation in batch]
    except Exception as error:  # noqa: BLE001 - the writer outlives any failure; callers are told
        for operation in batch:
            operation.future.set_exception(error)
        return
    for settle in settlements:
        settle()


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError("db: it is no database URL; use sqlite:////path/to/file.") from None
    if parsed.get_backend_name() != "sqlite" or parsed.database in {None, "", ":memory:"}:
        raise ConfigError("db: only SQLite files are supported; use sqlite:////path/to/file.")
    return parsed


def _engine(url: URL, begin: str) -> sa.Engine:
    """Return an engine whose transactions start with `begin`.

    The driver would start them by itself, late and never before a SELECT; see
    https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-serializable
    """
    engine = sa.create_engine(url, hide_parameters=True)
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _prepare(driver_connection: Any, _record: object) -> None:
    driver_connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        driver_connection.execute(f"PRAGMA {pragma}")
