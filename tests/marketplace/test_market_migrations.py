"""The migrations make what schema.py says, and are run by the server alone."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from marketplace.market_parts import BOTH

from node3nb.marketplace import migration
from node3nb.marketplace.database import Database
from node3nb.marketplace.schema import metadata

DATABASES = BOTH


def test_the_migrations_make_the_tables_of_the_schema(database_url: str) -> None:
    with Database(database_url) as database:
        difference = database.write(
            lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)
        )
        assert difference.result() == []


def test_the_migrations_go_down_to_nothing_and_up_again(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        migration.upgrade(connection)
        command.downgrade(migration.configuration(connection), "base")
        assert sa.inspect(connection).get_table_names() == ["alembic_version"]
        migration.upgrade(connection)
        assert set(metadata.tables) < set(sa.inspect(connection).get_table_names())
    engine.dispose()


def test_a_database_of_this_version_is_left_alone(database_url: str) -> None:
    for _ in range(2):
        with Database(database_url) as database:
            rows = database.read(lambda c: c.execute(sa.text("SELECT 1")).all())
            assert len(rows.result()) == 1


def test_sqlite_is_run_as_promised(tmp_path: Path) -> None:
    asked = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}

    def told(connection: sa.Connection) -> dict[str, object]:
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in asked}

    with Database(f"sqlite:///{tmp_path / 'm.db'}") as database:
        assert database.write(told).result() == asked
        assert database.read(told).result() == asked
