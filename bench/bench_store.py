"""How fast jobs are claimed from the marketplace's store: 1, 8 and 32 claimers at once.

A claim is one durable `accept`.  The claimers never pause, so what the slowest waits for is the
claims of all the others before it.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from pathlib import Path

from node3nb.marketplace.database import Database
from node3nb.marketplace.protocol import JobSubmission, Registration
from node3nb.marketplace.store import callers, leases, queue
from node3nb.marketplace.store.callers import Origin
from node3nb.marketplace.store.leases import Claim

#: Claims made by all claimers together, for each row.
CLAIMS = 960
CLAIMERS = (1, 8, 32)


def rows() -> list[tuple[str, str]]:
    """Return what was measured: a label and a value each."""
    return [row for claimers in CLAIMERS for row in _measured(claimers)]


def _measured(claimers: int) -> list[tuple[str, str]]:
    with (
        tempfile.TemporaryDirectory() as directory,
        Database(f"sqlite:///{Path(directory) / 'store.db'}") as database,
    ):
        job_ids, agent_id = _filled(database)
        began = time.perf_counter()
        latencies = _claim_all(database, job_ids, agent_id, claimers)
        elapsed = time.perf_counter() - began
    label = f"store, {claimers} claimer{'s' * (claimers > 1)}"
    p99 = statistics.quantiles(latencies, n=100)[98]
    return [
        (f"{label}: claims", f"{len(latencies) / elapsed:.0f} /s"),
        (f"{label}: claim p99", f"{p99 * 1000:.1f} ms"),
    ]


def _filled(database: Database) -> tuple[list[str], str]:
    machine = Registration(wallet_address="w", gpu_model="", gpu_vendor="", gpu_memory=0)
    home = Origin("bench", CLAIMS)
    agent = database.write(callers.register, machine, home, time.time()).result()
    job = JobSubmission(command=["true"])
    waiting = [database.write(queue.submit, job, "bench", None, time.time()) for _ in range(CLAIMS)]
    return [each.result().answer.job_id for each in waiting], agent.agent_id


def _claim_all(database: Database, job_ids: list[str], agent_id: str, claimers: int) -> list[float]:
    latencies: list[float] = []
    threads = [
        threading.Thread(
            target=_claim, args=(database, job_ids[first::claimers], agent_id, latencies)
        )
        for first in range(claimers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies


def _claim(database: Database, job_ids: list[str], agent_id: str, latencies: list[float]) -> None:
    """Accept one job after the other, without a pause."""
    for job_id in job_ids:
        claim = Claim(agent_id, "w", None, time.time(), 90.0)
        began = time.perf_counter()
        database.write(leases.accept, job_id, claim).result()
        latencies.append(time.perf_counter() - began)


if __name__ == "__main__":
    for label, value in rows():
        print(f"{label:40} {value}")
