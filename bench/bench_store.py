"""How fast jobs are claimed from the marketplace's store, on both databases.

A claim is what an agent does: look at the queue, then `accept` what no other was offered,
durably.  The claimers never pause, so what the slowest waits for is the claims of all the others
before it.  PostgreSQL syncs each commit here, unlike in the tests.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa

from node3nb.marketplace.database.database import Database
from node3nb.marketplace.database.schema import jobs
from node3nb.marketplace.resources import Resources
from node3nb.marketplace.store import callers, leases, queue
from node3nb.marketplace.store.callers import Origin
from node3nb.marketplace.store.leases import Claim
from node3nb.marketplace.wire.protocol import JobSubmission, Registration

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support import postgresql

#: Claims made by all claimers together, for each row.
CLAIMS = 960
CLAIMERS, BATCHES = (1, 8, 32), (1, 20)
#: Lengths of the queue that the latency of a claim is compared at, and claims measured.
SHORT, LONG, SAMPLES = 1_000, 1_000_000, 200
#: What the agents have, and the shape of jobs at the head of the queue that is too much for them.
HAS = Resources(0, 0, 8.0, 1 << 34, 2, 0)
_OFFERING = threading.Lock()
TOO_MUCH = "1099511627776,8,64.0,0,0,0"


def rows() -> Iterator[tuple[str, str]]:
    """Yield what was measured: a label and a value each."""
    with tempfile.TemporaryDirectory() as directory, postgresql.running(fsync="on") as server:
        lengths = {"SQLite": Path(directory), "PostgreSQL": server}
        for name, place in lengths.items():
            for batch in BATCHES:
                for claimers in CLAIMERS:
                    with Database(_fresh(place)) as database:
                        yield from _measured(name, database, claimers, batch)
            yield from _lengths(name, place)


def _fresh(place: Path | postgresql.PostgreSQLServer) -> str:
    if isinstance(place, Path):
        return f"sqlite:///{place / f'{time.monotonic_ns()}.db'}"
    return place.fresh()


def _measured(
    name: str, database: Database, claimers: int, batch: int
) -> Iterator[tuple[str, str]]:
    agent_id = _filled(database, CLAIMS)
    began = time.perf_counter()
    latencies = _claim_all(database, agent_id, claimers, batch)
    elapsed = time.perf_counter() - began
    label = f"{name}, {claimers} claimer{'s' * (claimers > 1)}, {batch} at once"
    yield f"{label}: claims", f"{CLAIMS / elapsed:.0f} /s"
    yield f"{label}: p99", f"{_percentile(latencies, 99) * 1000:.1f} ms"


def _lengths(name: str, place: Path | postgresql.PostgreSQLServer) -> Iterator[tuple[str, str]]:
    medians = []
    with Database(_fresh(place)) as database:
        agent_id = _filled(database, 2 * SAMPLES)
        for length in (SHORT, LONG):
            _lengthen(database, length)
            claimed = [_claim(database, agent_id, 1, set()) for _ in range(SAMPLES)]
            medians.append(statistics.median(claimed) * 1000)
            yield f"{name}, a claim from {length:,} jobs", f"{medians[-1]:.2f} ms"
    yield f"{name}, the longer queue against the shorter", f"{medians[1] / medians[0]:.2f} x"


def _filled(database: Database, count: int) -> str:
    machine = Registration(wallet_address="w", gpu_model="", gpu_vendor="", gpu_memory=0)
    home = Origin("bench", CLAIMS)
    agent = database.write(callers.register, machine, home, time.time()).result()
    job = JobSubmission(command=["true"])
    for each in [
        database.write(queue.submit, job, "bench", None, time.time()) for _ in range(count)
    ]:
        each.result()
    return agent.agent_id


def _lengthen(database: Database, length: int) -> None:
    """Put jobs in the queue: half of them at its head, and too much for the agents."""

    def add(connection: sa.Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
        known = connection.execute(sa.select(sa.func.count()).select_from(jobs)).scalar_one()
        counted = sa.select(sa.literal(known).label("n")).cte("counted", recursive=True)
        more = sa.select(counted.c.n + 1).where(counted.c.n < length - 1)
        counted = counted.union_all(more)
        first = sa.select(sa.func.max(jobs.c.number)).scalar_subquery()
        ahead = counted.c.n % 2 == 1
        others = {
            "job_id": sa.literal("more-") + sa.cast(counted.c.n, sa.Text),
            "shape": sa.case((ahead, TOO_MUCH), else_=jobs.c.shape),
            "precedence": sa.case((ahead, 0.0), else_=jobs.c.precedence),
        }
        names = [column.name for column in jobs.c if column.name != "number"]
        row = sa.select(*(others.get(name, jobs.c[name]) for name in names)).join_from(
            jobs, counted, sa.true()
        )
        connection.execute(sa.insert(jobs).from_select(names, row.where(jobs.c.number == first)))

    database.write(add).result()
    database.write(lambda connection: connection.exec_driver_sql("ANALYZE").close()).result()


def _claim_all(database: Database, agent_id: str, claimers: int, batch: int) -> list[float]:
    latencies: list[float] = []
    held_back: set[str] = set()

    def claim() -> None:
        while len(held_back) < CLAIMS:
            latencies.append(_claim(database, agent_id, batch, held_back))

    threads = [threading.Thread(target=claim) for _ in range(claimers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies


def _claim(database: Database, agent_id: str, batch: int, held_back: set[str]) -> float:
    """Look and accept what nobody else was offered; return how long it took, in seconds."""
    began = time.perf_counter()
    seen = database.read(queue.available, HAS, batch * max(CLAIMERS)).result()
    with _OFFERING:
        offered = [job.job_id for job in seen if job.job_id not in held_back][:batch]
        held_back.update(offered)
    claim = Claim(agent_id, "w", None, time.time(), 90.0)
    for each in [database.write(leases.accept, job_id, claim) for job_id in offered]:
        each.result()
    return time.perf_counter() - began


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    for label, value in rows():
        print(f"{label:60} {value}", flush=True)
