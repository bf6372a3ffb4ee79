"""The migrations make what schema.py says, and are run by the server alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from marketplace.market_parts import BOTH

from node3nb.errors import ConfigError
from node3nb.marketplace.database import migration
from node3nb.marketplace.database.database import Database, prepare
from node3nb.marketplace.database.schema import metadata
from node3nb.marketplace.resources import Resources
from node3nb.marketplace.store import ledger, queue, removal
from node3nb.marketplace.store.ledger import Audit
from node3nb.marketplace.store.removal import Place

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


def test_a_database_of_a_newer_version_is_left_alone_and_told_in_a_sentence(
    database_url: str,
) -> None:
    with Database(database_url):
        pass
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'later'"))
    with pytest.raises(ConfigError, match="a newer version of node3nb has used this database"):
        prepare(database_url)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "later"
    engine.dispose()


def test_sqlite_is_run_as_promised(tmp_path: Path) -> None:
    asked = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}

    def told(connection: sa.Connection) -> dict[str, object]:
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in asked}

    with Database(f"sqlite:///{tmp_path / 'm.db'}") as database:
        assert database.write(told).result() == asked
        assert database.read(told).result() == asked


NEEDS = {
    "needs_gpu_memory": 5,
    "needs_gpus": 1,
    "needs_cpus": 0.5,
    "needs_memory": 7,
    "needs_isolation": 2,
    "needs_container": 0,
}


def test_jobs_of_the_first_version_keep_their_place_and_are_paid(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        migration.upgrade(connection, "0001")
        before = _first_version(connection)
    with Database(database_url) as database:
        assert database.read(ledger.audit).result() == Audit(1, 100_000, 100_000, 0, 0)
        (job,) = database.read(queue.available, Resources(5, 1, 0.5, 7, 2, 0), 9).result()
        assert (job.job_id, job.needs.cpus) == ("waits", 0.5)
        assert database.read(queue.available, Resources(4, 1, 0.5, 7, 2, 0), 9).result() == []
    with engine.begin() as connection:
        command.downgrade(migration.configuration(connection), "0001")
        assert _jobs(connection) == before
    engine.dispose()


def test_what_removed_jobs_were_paid_is_kept_on_the_way_down_and_up(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    with engine.begin() as connection:
        migration.upgrade(connection, "0001")
        _first_version(connection)
    with Database(database_url) as database:
        assert database.write(removal.remove, Place(), 2001, 5000).result() is None
        assert database.read(ledger.audit).result() == Audit(1, 100_000, 100_000, 0, 0)
    with engine.begin() as connection:
        command.downgrade(migration.configuration(connection), "0004")
        assert [job["job_id"] for job in _jobs(connection)] == ["waits", "done"]
        assert connection.execute(sa.text("SELECT amount_micro FROM ledger")).all() == [(100_000,)]
    with Database(database_url) as database:
        assert database.read(ledger.audit).result() == Audit(1, 100_000, 100_000, 0, 0)
    engine.dispose()


def _first_version(connection: sa.Connection) -> list[dict[str, Any]]:
    """Fill the tables of the first version, and return their jobs."""
    agent = {"wallet_address": "w", "gpu_model": "", "gpu_vendor": "", "gpu_memory": 0}
    _add(connection, "agents", agent_id="a", state="", registered_at=1, seen_at=1, **agent)
    common = {"submitter": "s", "spec": {}, "precedence": -2, "reward": 0.1, "timeout_s": 60}
    counts = {"submitted_at": 1000, "attempts": 1, "max_attempts": 3, "acceptances": 1}
    _add(connection, "jobs", job_id="waits", status="available", **common, **counts, **NEEDS)
    ended = {"status": "completed", "agent_id": "a", "lease_id": "l", "finished_at": 2000}
    _add(connection, "jobs", job_id="done", **ended, **common, **counts, **NEEDS)
    lease = {"agent_id": "a", "acceptance": 1, "wallet_address": "w", "accepted_at": 1500}
    _add(connection, "leases", lease_id="l", job_id="done", outcome="completed", **lease)
    return _jobs(connection)


def _add(connection: sa.Connection, table: str, **row: Any) -> None:
    connection.execute(sa.insert(_table(connection, table)).values(**row))


def _jobs(connection: sa.Connection) -> list[dict[str, Any]]:
    jobs = _table(connection, "jobs")
    return [row._asdict() for row in connection.execute(sa.select(jobs).order_by(jobs.c.number))]


def _table(connection: sa.Connection, name: str) -> sa.Table:
    return sa.Table(name, sa.MetaData(), autoload_with=connection, resolve_fks=False)
