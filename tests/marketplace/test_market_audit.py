"""Whether the ledger and the jobs agree is looked through by parts, and told."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest
import sqlalchemy as sa
from marketplace.market_parts import BOTH, Market, eventually, said

from node3nb.marketplace import auditing
from node3nb.marketplace.database.database import Database
from node3nb.marketplace.database.schema import ledger as entries
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings
from node3nb.marketplace.store import ledger
from node3nb.marketplace.store.ledger import Part

DATABASES = BOTH


@pytest.fixture
def market(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A marketplace that looks all the time, at two rows each time."""
    monkeypatch.setattr(auditing, "PAUSE_S", 0.001)
    monkeypatch.setattr(auditing, "REST_S", 0.01)
    monkeypatch.setattr(ledger, "AT_ONCE", 2)
    with running(settings) as url:
        market = Market(url, settings.data_dir, settings.database_url)
        yield market
        market.close()


def complete(market: Market) -> str:
    job_id, agent = market.consumer.submit(reward=0.5), market.agent()
    said(agent.complete(job_id, lease_id=agent.lease(job_id)))
    return job_id


def told(market: Market) -> tuple[int | None, float]:
    """Return what the administrator and the measurements say."""
    prefix = "node3nb_ledger_discrepancies "
    lines = market.admin.get("/metrics").text.splitlines()
    (value,) = [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]
    return said(market.admin.get("/api/admin/stats"))["ledger_discrepancies"], float(value)


def test_where_they_do_not_agree_is_counted(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [complete(market) for _ in range(5)]
    eventually(lambda: told(market) == (0, 0.0))
    assert said(market.admin.get("/api/admin/stats"))["ledger_checked_at"].endswith("+00:00")
    ours = entries.c.job_id
    market.do(lambda c: c.execute(sa.delete(entries).where(ours == ids[4])).close())
    raised = sa.update(entries).values(amount_micro=7).where(ours.in_([ids[0], ids[3]]))
    with caplog.at_level(logging.ERROR):
        market.do(lambda c: c.execute(raised).close())
        eventually(lambda: told(market) == (3, 3.0))
    assert "3 jobs or entries of the ledger don't agree." in caplog.messages


def test_nothing_is_told_before_all_was_compared(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "PAUSE_S", 3600.0)
    with running(settings) as url:
        market = Market(url, settings.data_dir, settings.database_url)
        value, measured = told(market)
        assert (value, math.isnan(measured)) == (None, True)
        market.close()


def test_a_part_is_found_by_an_index(database_url: str) -> None:
    plans: list[str] = []

    def explain(connection: sa.Connection, part: Part) -> None:
        words = {"postgresql": "EXPLAIN ", "sqlite": "EXPLAIN QUERY PLAN "}

        def before(conn: Any, _cursor: Any, statement: str, sent: Any, *_: Any) -> None:
            if statement.startswith("SELECT"):
                cursor = conn.connection.cursor()
                cursor.execute(words[conn.dialect.name] + statement, sent)
                plans.append(" ".join(map(str, cursor.fetchall())))

        if connection.dialect.name == "postgresql":
            for way in ("seqscan", "bitmapscan"):
                connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        sa.event.listen(connection, "before_cursor_execute", before)
        ledger.disagreeing(connection, part, 5)

    with Database(database_url) as database:
        for part, index in ((Part.UNPAID, "ix_jobs_status_number"), (Part.WRONG, "ix_ledger_open")):
            database.write(explain, part).result(30)
            assert index in plans[-1]
