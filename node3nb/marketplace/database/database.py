"""The database: every change goes through a queue to the writers, reads run beside them.

An answer is given when its change is committed.  Where there is one writer, what has queued up
while a transaction was being synced to disk is committed together in the next one, each
operation in a savepoint of its own.
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
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from node3nb.errors import ConfigError
from node3nb.marketplace.database.backend import READERS, USE, Backend, SharedBackend
from node3nb.marketplace.database.postgresql_backend import PostgreSQL
from node3nb.marketplace.database.sqlite_backend import SQLite
from node3nb.marketplace.refusals import Unavailable, Undecided

#: How often an operation is done again that was in another's way.
TRIES = 10
#: When a caller is to come back to a database that does not answer, in seconds.
RETRY_AFTER_S = 2

P = ParamSpec("P")
T = TypeVar("T")


def backend_of(url: str) -> Backend:
    """Return the database a URL names; nothing is opened yet.

    Raises
    ------
    ConfigError
        It names none that is supported, or the driver is not installed.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(f"db: it is no database URL; {USE}.") from None
    kinds: dict[str, Callable[[sa.URL], Backend]] = {"sqlite": SQLite, "postgresql": PostgreSQL}
    kind = kinds.get(parsed.get_backend_name())
    if kind is None:
        raise ConfigError(f"db: this kind of database is not supported; {USE}.")
    return kind(parsed)


def prepare(url: str) -> None:
    """Bring a database to the shape of this version, and close it again.

    Raises
    ------
    ConfigError
        It can't be used.
    """
    backend = backend_of(url)
    try:
        backend.migrate()
    finally:
        backend.close()


@dataclass(frozen=True, slots=True)
class _Operation:
    """A change that waits for its turn."""

    #: What to do with the connection.
    call: Callable[[sa.Connection], Any]
    #: Where its caller waits.
    future: Future[Any] = field(default_factory=Future)

    def run(self, connection: sa.Connection) -> Callable[[], None]:
        """Do it among others, and return what tells the caller once it is committed.

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


@dataclass(frozen=True, slots=True)
class _Done(Generic[T]):
    """An operation that came to its end."""

    #: What it returned.
    value: T


class Database:
    """One database, open between entering and leaving.

    Parameters
    ----------
    url
        SQLAlchemy URL of a SQLite file or of a PostgreSQL database.

    Raises
    ------
    ConfigError
        The URL names something else.
    """

    def __init__(self, url: str) -> None:
        self._backend = backend_of(url)
        self._queue: queue.SimpleQueue[_Operation | None] = queue.SimpleQueue()
        self._writers = [
            threading.Thread(target=self._write_all, name="node3nb-db", daemon=True)
            for _ in range(self._backend.writers)
        ]
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="node3nb-db-read")

    def __enter__(self) -> Self:
        self._backend.migrate()
        for thread in self._writers:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for _ in self._writers:
            self._queue.put(None)
        for thread in self._writers:
            thread.join()
        self._readers.shutdown()
        self._backend.close()

    def write(
        self,
        operation: Callable[Concatenate[sa.Connection, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Future[T]:
        """Queue a change; its future is done when it is on disk, or was refused.

        The operation may be done more than once, and is undone before it is done again.
        """
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
        return self._readers.submit(
            self._transact, self._backend.reader, lambda c: operation(c, *args, **kwargs)
        )

    @property
    def shared(self) -> SharedBackend | None:
        """How other processes that use it too are told of jobs; None where there can be none."""
        return self._backend if isinstance(self._backend, SharedBackend) else None

    def _write_all(self) -> None:
        while batch := self._next_batch():
            try:
                self._commit(batch)
            except Exception as error:  # noqa: BLE001 - a writer outlives any failure; callers are told
                for operation in batch:
                    operation.future.set_exception(self._told(error))

    def _next_batch(self) -> list[_Operation]:
        """Wait for an operation and return it with those behind it; none is the end."""
        batch: list[_Operation] = []
        operation = self._queue.get()
        while operation is not None:
            if operation.future.set_running_or_notify_cancel():
                batch.append(operation)
            if len(batch) == self._backend.batch or (batch and self._queue.empty()):
                return batch
            operation = self._queue.get()
        if batch:
            self._queue.put(None)
        return batch

    def _commit(self, batch: list[_Operation]) -> None:
        if len(batch) == 1:
            batch[0].future.set_result(self._transact(self._backend.writer, batch[0].call))
            return
        with self._backend.writer.connect() as connection:
            settlements = [operation.run(connection) for operation in batch]
            self._keep(connection)
        for settle in settlements:
            settle()

    def _transact(self, engine: sa.Engine, call: Callable[[sa.Connection], T]) -> T:
        """Do one operation in a transaction of its own, again if it was in another's way.

        A commit that fails is not repeated: it may have been heard.

        Raises
        ------
        Unavailable
            The database can't be used now; nothing has changed.
        Undecided
            The database was lost in the commit.
        """
        for again in reversed(range(TRIES)):
            try:
                with engine.connect() as connection:
                    done = self._tried(connection, call, again=again > 0)
                    if done is not None:
                        self._keep(connection)
                        return done.value
            except DBAPIError as error:
                raise self._told(error) from error
        raise AssertionError("the last try is not passed over")

    def _keep(self, connection: sa.Connection) -> None:
        """Commit; when no answer comes, what was asked for may have been done."""
        try:
            connection.commit()
        except DBAPIError as error:
            if self._backend.gone(error):
                raise Undecided(retry_after_s=RETRY_AFTER_S) from error
            raise

    def _tried(
        self, connection: sa.Connection, call: Callable[[sa.Connection], T], *, again: bool
    ) -> _Done[T] | None:
        """Do an operation; None when it was in another's way and may be done again."""
        try:
            return _Done(call(connection))
        except DBAPIError as error:
            if again and self._backend.passing(error):
                return None
            raise

    def _told(self, error: Exception) -> Exception:
        """Return what a caller is told of a failure."""
        if isinstance(error, DBAPIError) and self._backend.gone(error):
            return Unavailable(retry_after_s=RETRY_AFTER_S)
        return error


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
