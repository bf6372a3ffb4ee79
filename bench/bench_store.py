"""How fast jobs are claimed from the marketplace's store, on both databases.

A claim is what an agent does: look at the queue, then `accept` what it saw, durably.  The claimers
never pause, so what the slowest waits for is the claims of all the others before it.  PostgreSQL
syncs each commit here, unlike in the tests.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa

from node3nb.marketplace.database import Database
from node3nb.marketplace.protocol import JobSubmission, Registration
from node3nb.marketplace.refusals import Refusal
from node3nb.marketplace.resources import Resources
from node3nb.marketplace.schema import jobs
from node3nb.marketplace.store import callers, leases, queue
from node3nb.marketplace.store.callers import Origin
from node3nb.marketplace.store.leases import Claim

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support import postgresql

#: Claims made by all claimers together, for each row.
CLAIMS = 960
CLAIMERS, BATCHES = (1, 8, 32), (1, 20)
#: Lengths of the queue that the latency of a claim is compared at, and claims measured.
SHORT, LONG, SAMPLES = 1_000, 1_000_000, 200
#: What the agents have, and the shape of jobs at the head of the queue that is too much for them.
HAS = Resources(0, 0, 8.0, 1 << 34, 2, 0)
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
            claimed = [_claim(database, agent_id, 1)[1] for _ in range(SAMPLES)]
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
        row = connection.execute(sa.select(jobs).order_by(jobs.c.number.desc()).limit(1)).one()
        known = connection.execute(sa.select(sa.func.count()).select_from(jobs)).scalar_one()
        common = {**row._asdict(), "status": "available", "lease_id": None, "agent_id": None}
        common |= {"lease_expires_at": None, "idempotency_key": None}
        del common["number"]
        for first in range(known, length, 10_000):
            connection.execute(
                sa.insert(jobs),
                [
                    common
                    | {"job_id": f"more-{number}"}
                    | ({"shape": TOO_MUCH, "precedence": 0.0} if number % 2 else {})
                    for number in range(first, min(first + 10_000, length))
                ],
            )

    database.write(add).result()
    database.write(lambda connection: connection.exec_driver_sql("ANALYZE").close()).result()


def _claim_all(database: Database, agent_id: str, claimers: int, batch: int) -> list[float]:
    latencies: list[float] = []
    left = [CLAIMS]

    def claim() -> None:
        while left[0] > 0:
            claimed, latency = _claim(database, agent_id, batch)
            latencies.append(latency)
            left[0] -= claimed

    threads = [threading.Thread(target=claim) for _ in range(claimers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies


def _claim(database: Database, agent_id: str, batch: int) -> tuple[int, float]:
    """Look and accept; return how many jobs became ours, and how long it took."""
    began = time.perf_counter()
    seen = database.read(queue.available, HAS, batch).result()
    claim = Claim(agent_id, "w", None, time.time(), 90.0)
    asked = [database.write(leases.accept, job.job_id, claim) for job in seen]
    claimed = 0
    for each in asked:
        with contextlib.suppress(Refusal):  # another was faster
            each.result()
            claimed += 1
    return claimed, time.perf_counter() - began


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    for label, value in rows():
        print(f"{label:60} {value}", flush=True)
