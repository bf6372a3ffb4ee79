"""The writer: what fails, fails alone; what is answered, is on disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from marketplace.market_parts import BOTH

from node3nb.marketplace.database.database import Database

DATABASES = BOTH

NAMES = sa.table("names", sa.column("name"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database(database_url) as database:
        database.write(
            lambda c: c.exec_driver_sql("CREATE TABLE names (name TEXT UNIQUE)").close()
        ).result()
        yield database


def add(connection: sa.Connection, name: str) -> None:
    connection.execute(sa.insert(NAMES).values(name=name))


def add_then_fail(connection: sa.Connection, name: str) -> None:
    add(connection, name)
    raise LookupError(name)


def names(database: Database) -> list[str]:
    return list(
        database.read(lambda c: c.execute(sa.select(NAMES.c.name)).scalars().all()).result()
    )


def test_operations_of_one_batch_fail_alone(database: Database) -> None:
    gate = threading.Event()
    first = database.write(lambda _connection: gate.wait(10))
    outcomes = [
        database.write(add, "a"),
        database.write(add_then_fail, "b"),
        database.write(add, "a"),
        database.write(add, "c"),
    ]
    gate.set()
    assert first.result(10)
    assert outcomes[0].exception(10) is None
    assert isinstance(outcomes[1].exception(10), LookupError)
    assert isinstance(outcomes[2].exception(10), sa.exc.IntegrityError)
    assert outcomes[3].exception(10) is None
    assert names(database) == ["a", "c"]


def test_a_cancelled_operation_is_not_done(database: Database) -> None:
    gate = threading.Event()
    first = database.write(lambda _connection: gate.wait(10))
    cancelled = database.write(add, "a")
    assert cancelled.cancel()
    gate.set()
    first.result(10)
    database.write(add, "b").result(10)
    assert names(database) == ["b"]


def test_a_failure_of_the_database_spares_the_next_batch(database: Database) -> None:
    broken = database.write(lambda c: c.exec_driver_sql("SELECT * FROM nothing").close())
    assert isinstance(broken.exception(10), sa.exc.DBAPIError)
    database.write(add, "a").result(10)
    assert names(database) == ["a"]


def test_errors_hold_no_values(database: Database) -> None:
    database.write(add, "secret").result(10)
    assert "secret" not in str(database.write(add, "secret").exception(10))


def test_what_is_queued_at_the_end_is_still_done(database_url: str) -> None:
    with Database(database_url) as database:
        waiting = [database.write(lambda _connection: 7) for _ in range(200)]
    assert [each.result(10) for each in waiting] == [7] * 200
