"""Jobs that ended long ago are removed; what they were paid stays, and nobody waits for it."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from marketplace.market_parts import (
    BOTH,
    COMPLETION,
    MACHINE,
    Market,
    SetClock,
    eventually,
    refusal,
    said,
)

from node3nb.marketplace import options
from node3nb.marketplace.context import Marketplace
from node3nb.marketplace.database.database import Database
from node3nb.marketplace.database.schema import artifacts, closed, events, jobs, uploads
from node3nb.marketplace.database.schema import leases as lease_rows
from node3nb.marketplace.database.schema import ledger as entries
from node3nb.marketplace.refusals import Unknown
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import DAY_S, Settings
from node3nb.marketplace.store import attempts, callers, leases, ledger, outcomes, queue, removal
from node3nb.marketplace.store import uploads as ways
from node3nb.marketplace.store.callers import Origin
from node3nb.marketplace.store.leases import Claim
from node3nb.marketplace.store.removal import AT_ONCE, Place
from node3nb.marketplace.store.storage import Quota
from node3nb.marketplace.wire.protocol import Completion, JobSubmission, Registration
from node3nb.marketplace.wire.words import ArtifactKind

DATABASES = BOTH
#: Bound of what must not wait, in seconds.
BOUND_S = 30
NOW = 1_800_000_000.0


def test_a_job_goes_some_days_after_its_end_and_its_payment_stays(
    settings: Settings, clock: SetClock
) -> None:
    settings = replace(settings, keep_outputs_days=1, keep_jobs_days=3)
    with running(settings, clock) as url:
        market = Market(url, settings.data_dir, settings.database_url)
        agent, named = market.agent(), {"headers": {"Idempotency-Key": "mine"}}
        asked = {"command": ["true"], "reward": 0.25}
        ended = said(market.consumer.post("/api/jobs", asked, **named))["job_id"]
        live = market.consumer.submit(reward=1)
        leases = {job_id: agent.lease(job_id) for job_id in (ended, live)}
        for job_id in leases:
            said(agent.call("PATCH", f"/api/jobs/{job_id}/log", data=b"printed"))
            said(agent.put(f"/api/jobs/{job_id}/output", b"output"))
        said(agent.complete(ended, lease_id=leases[ended]))
        for days, status in ((0, 200), (2.9, 200), (0.2, 404)):
            clock.advance(days * DAY_S)
            tidy(settings, clock)
            assert market.consumer.get(f"/api/jobs/{ended}").status_code == status
        assert [job["job_id"] for job in said(market.admin.get("/api/jobs"))["jobs"]] == [live]
        assert [path.name for path in (settings.data_dir / "logs").iterdir()] == [f"{live}-1.log"]
        assert market.do(of_job(ended)) == [0, 0, 0, 0]
        assert refusal(agent.complete(ended, lease_id=leases[ended]))[0] == 404
        assert agent.beat(**leases)["leases"] == {}
        again = said(market.consumer.post("/api/jobs", asked, **named))["job_id"]
        assert again not in leases
        assert market.audit() == ledger.Audit(1, 250_000, 250_000, 0, 0)
        assert market.do(lambda c: ledger.balance(c, agent.agent_id)) == 250_000
        market.close()


def of_job(job_id: str) -> Any:
    """Return how many rows of a job there are, in each table."""

    def count(connection: sa.Connection) -> list[int]:
        tables = jobs, lease_rows, events, artifacts
        each = (sa.select(sa.func.count()).where(table.c.job_id == job_id) for table in tables)
        return [connection.execute(query).scalar_one() for query in each]

    return count


def tidy(settings: Settings, clock: SetClock) -> None:
    """Clear up as another server process on the same database does."""

    async def once() -> None:
        market = Marketplace(settings, clock)
        async with market.open():
            await market.clearing.tidy()

    asyncio.run(once())


class Shop:
    """A store and one agent that has completed jobs in it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.agent = self.do(
            callers.register, Registration(**MACHINE), Origin("here", 9), NOW
        ).agent_id

    def do(self, operation: Any, *args: Any) -> Any:
        return self.database.write(operation, *args).result(BOUND_S)

    def submit(self) -> str:
        asked = JobSubmission(command=["x"], reward=0.1)
        return str(self.do(queue.submit, asked, "s", None, NOW).answer.job_id)

    def claim(self, job_id: str) -> None:
        self.do(leases.accept, job_id, Claim(self.agent, "w", None, NOW, 90))

    def complete(self) -> str:
        job_id = self.submit()
        self.claim(job_id)
        self.do(outcomes.complete, job_id, self.agent, Completion(**COMPLETION), NOW)
        return job_id

    def remove_all(self) -> list[int]:
        """Remove what has ended; return how many jobs were left after each transaction."""
        left, place = [], Place()
        while place is not None:
            place = self.do(removal.remove, place, NOW + 1, NOW + 2)
            left.append(len(self.ids()))
        return left

    def ids(self) -> list[str]:
        query = sa.select(jobs.c.job_id).order_by(jobs.c.number)
        return list(self.do(lambda connection: connection.execute(query).scalars().all()))


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    with Database(database_url) as database:
        yield Shop(database)


def test_few_are_removed_in_one_transaction(shop: Shop) -> None:
    ended = [shop.submit() for _ in range(2 * AT_ONCE + 1)]
    live = [shop.submit() for _ in range(3)]
    for job_id in ended:
        shop.do(outcomes.cancel, job_id, NOW)
    assert shop.remove_all() == [AT_ONCE + 4, 4, 3]
    assert shop.ids() == live


def test_what_has_files_or_was_not_paid_as_it_should_stays(shop: Shop) -> None:
    unpaid, underpaid, sent, kept, plain = (shop.complete() for _ in range(5))
    wrong = sa.update(entries).where(entries.c.job_id == underpaid).values(amount_micro=1)
    shop.do(lambda c: c.execute(wrong).close())
    shop.do(lambda c: c.execute(sa.delete(entries).where(entries.c.job_id == unpaid)).close())
    way = ways.Upload("a/b", sent, ArtifactKind.OUTPUT, 1, 5, None, NOW)
    shop.do(ways.begin, way, Quota(9, 9))
    file = {"job_id": kept, "kind": "input", "name": "c/d", "bytes": 0, "sha256": ""}
    row = sa.insert(artifacts).values(acceptance=0, stored_at=NOW, **file)
    shop.do(lambda c: c.execute(row).close())
    shop.remove_all()
    assert shop.ids() == [unpaid, underpaid, sent, kept]
    audit = shop.do(ledger.audit)
    assert (audit.unpaid, audit.wrong, audit.entries) == (1, 1, 4)
    assert plain not in shop.ids()


@pytest.mark.parametrize("change", [sa.delete(entries), sa.update(entries).values(amount_micro=1)])
def test_an_entry_whose_job_is_gone_is_still_missed(shop: Shop, change: Any) -> None:
    first, _ = shop.complete(), shop.complete()
    shop.remove_all()
    assert shop.ids() == []
    assert shop.do(ledger.audit) == ledger.Audit(2, 200_000, 200_000, 0, 0)
    shop.do(lambda c: c.execute(change.where(entries.c.job_id == first)).close())
    audit = shop.do(ledger.audit)
    assert not audit.exact
    assert audit.wrong == 1


def test_more_is_added_to_what_was_counted_before(shop: Shop) -> None:
    for _ in range(2):
        shop.complete()
        shop.remove_all()
    (row,) = shop.do(lambda c: c.execute(sa.select(closed)).all())
    assert (row.agent_id, row.jobs, row.units, row.micro) == (shop.agent, 2, 0, 200_000)
    assert shop.do(ledger.audit).exact


def test_nobody_waits_while_jobs_are_removed(shop: Shop, database_url: str) -> None:
    """PostgreSQL alone lets two change something at once; what one removal holds, others pass."""
    if shop.database.shared:
        ended, held, live = shop.complete(), shop.complete(), shop.submit()
        engine = sa.create_engine(database_url)
        with engine.connect() as other, engine.connect() as removing:
            attempts.hold(other, held)
            assert removal.remove(removing, Place(), NOW + 1, NOW) is None
            shop.claim(live)
            shop.remove_all()
            removing.commit()
            other.rollback()
            assert shop.ids() == [held, live]
            assert ended not in shop.ids()
        engine.dispose()


def test_a_file_that_comes_while_its_job_is_removed_is_refused(
    shop: Shop, database_url: str
) -> None:
    ended = shop.complete()
    way = ways.Upload("a/b", ended, ArtifactKind.OUTPUT, 1, 5, None, NOW)
    engine = sa.create_engine(database_url)
    with ThreadPoolExecutor(1) as pool, engine.connect() as removing:
        removal.remove(removing, Place(), NOW + 1, NOW)
        comes = pool.submit(shop.do, ways.begin, way, Quota(9, 9))
        if shop.database.shared:
            waits = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            eventually(lambda: comes.done() or removing.execute(waits).scalar_one() > 0)
        removing.commit()
        with pytest.raises(Unknown):
            comes.result(BOUND_S)
    engine.dispose()
    assert shop.do(lambda c: c.execute(sa.select(uploads)).all()) == []


def test_those_that_ended_are_found_by_an_index(shop: Shop) -> None:
    query = removal._ended(Place(5.0, 5), 9.0)

    def plan(connection: sa.Connection) -> str:
        kind = connection.dialect.name
        if kind == "postgresql":
            for way in ("seqscan", "bitmapscan"):
                connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
        words = {"postgresql": "EXPLAIN", "sqlite": "EXPLAIN QUERY PLAN"}[kind]
        text = query.compile(connection, compile_kwargs={"literal_binds": True})
        rows = connection.exec_driver_sql(f"{words} {text}").all()
        return " ".join(str(row) for row in rows)

    told = shop.do(plan)
    assert "ix_jobs_ended" in told
    assert "sort" not in told.lower()
    assert "b-tree" not in told.lower()


@pytest.mark.parametrize(
    ("told", "days"), [("1", 1.0), ("0", None), ("0.9", None), ("36500", 36_500.0), ("x", None)]
)
def test_how_long_jobs_are_kept_is_an_option(told: str, days: float | None) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    options.add_to(parser)
    assert options.settings_of(parser.parse_args([])).keep_jobs_days == 90
    if days is None:
        with pytest.raises(argparse.ArgumentError, match=r"give [01] to 36500"):
            parser.parse_args(["--keep-jobs", told])
    else:
        parsed = parser.parse_args(["--keep-jobs", told])
        assert options.settings_of(parsed).keep_jobs_days == days
