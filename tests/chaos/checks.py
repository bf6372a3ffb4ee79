"""What has to hold when a run is over: every job once, every ledger exact, nothing left."""

from __future__ import annotations

import collections
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from chaos.jobs import Job

from node3nb.jobs import JobState
from node3nb.marketplace.client import consumer
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.database.schema import (
    agents,
    artifacts,
    jobs,
    leases,
    ledger,
    storage,
    uploads,
)
from node3nb.marketplace.money import units
from node3nb.marketplace.store.ledger import audit as audited

#: What is all that may be found in a provider's home once it has stopped.
KEPT = {"keys.json", "ledger.sqlite", "work", "outbox", "control", "containers"}
_ACCEPTED = sa.select(jobs.c.job_id, jobs.c.acceptances)
_EARNED = "SELECT coalesce(sum(completed), 0), coalesce(sum(earned), 0.0) FROM days"


@dataclass(frozen=True, slots=True)
class Earned:
    """Completed jobs, and what they have paid."""

    #: Jobs.
    completed: int
    #: Sum of their rewards.
    rewards: float


@dataclass(frozen=True, slots=True)
class Kept:
    """Files of a marketplace."""

    #: Their size.
    bytes: int
    #: How many.
    files: int


def results(client: MarketplaceClient, sent: Mapping[int, str], all_of: Sequence[Job]) -> list[str]:
    """Return what is wrong with how the jobs have ended, as their sender sees it."""
    return [
        f"job {job.number} ({job.kind}, {sent[job.number]}): {complaint}"
        for job in all_of
        if (complaint := _complaint(client, sent[job.number], job))
    ]


def _complaint(client: MarketplaceClient, job_id: str, job: Job) -> str:
    view = client.job(job_id)
    complaint = job.complaint(consumer.result_of(view))
    if complaint:
        return f"{complaint}; {view.history}"
    if not job.outputs:
        return ""
    with tempfile.TemporaryDirectory() as scratch:
        consumer.fetch_outputs(client, job_id, Path(scratch, "fetched"))
        found = {path.name: path.read_text() for path in Path(scratch, "fetched").iterdir()}
    return "" if found == job.outputs else f"its outputs are {str(found)[:200]}; {view.history}"


class Books:
    """What a marketplace has written down."""

    def __init__(self, database: str) -> None:
        self._engine = sa.create_engine(database)

    def close(self) -> None:
        self._engine.dispose()

    def complaints(self, all_of: Sequence[Job], providers: int) -> Iterator[str]:
        """Yield what is wrong with it, whatever was sent."""
        wanted = collections.Counter(str(job.ends[0]) for job in all_of)
        counted = self._rows(sa.select(jobs.c.status, sa.func.count()).group_by(jobs.c.status))
        if dict(counted) != wanted:
            yield f"jobs are {dict(counted)}, and should be {dict(wanted)}"
        registered = self._rows(sa.select(sa.func.count()).select_from(agents))[0][0]
        if registered != providers:
            yield f"{registered} agents have registered, not {providers}"
        running = self._rows(sa.select(leases.c.job_id).where(leases.c.outcome.is_(None)))
        if running:
            yield f"leases without an end: {running}"
        with self._engine.connect() as connection:
            audit = audited(connection)
        if not audit.exact:
            yield f"the ledger is not exact: {audit}"
        yield from self._ended_twice()

    def _ended_twice(self) -> Iterator[str]:
        """Yield the jobs that have not been completed, or failed by their own fault, just once."""
        ended = leases.c.outcome == jobs.c.status
        last = leases.c.lease_id == jobs.c.lease_id
        times = sa.func.count().filter(ended)
        found = self._rows(
            sa.select(jobs.c.job_id, jobs.c.status, times, sa.func.count().filter(ended, last))
            .join(leases, leases.c.job_id == jobs.c.job_id)
            .group_by(jobs.c.job_id, jobs.c.status)
        )
        for job_id, status, all_times, at_last in found:
            many = status == JobState.COMPLETED and all_times != 1
            if many or at_last != 1:
                yield f"job {job_id}, {status}, has ended {all_times} times, {at_last} at last"

    def taken(self) -> dict[str, int]:
        """Return how often each job has been accepted: more than once is a fault's doing."""
        return {str(job_id): int(count) for job_id, count in self._rows(_ACCEPTED)}

    def earned(self) -> dict[str, Earned]:
        """Return what each payout address has been paid."""
        paid = ledger.c.wallet_address, sa.func.count(), sa.func.sum(ledger.c.amount_micro)
        rows = self._rows(sa.select(*paid).group_by(ledger.c.wallet_address))
        return {wallet: Earned(count, units(int(micro))) for wallet, count, micro in rows}

    def files(self) -> set[str]:
        """Return the names of the files it keeps, or still waits for."""
        known = sa.union_all(sa.select(artifacts.c.name), sa.select(uploads.c.name))
        return {str(name) for (name,) in self._rows(known)}

    def charged(self) -> tuple[Kept, Kept]:
        """Return what its submitters are charged with, and what is kept for them."""
        charges = sa.select(sa.func.sum(storage.c.bytes), sa.func.sum(storage.c.files))
        kept = sa.select(sa.func.sum(artifacts.c.bytes), sa.func.count())
        return _kept(self._rows(charges)), _kept(self._rows(kept))

    def _rows(self, query: sa.Executable) -> list[sa.Row[Any]]:
        with self._engine.connect() as connection:
            return list(connection.execute(query))


def owners_earned(home: Path) -> Earned:
    """Return what a provider's own ledger has."""
    file = sqlite3.connect(home / "ledger.sqlite")
    try:
        return Earned(*file.execute(_EARNED).fetchone())
    finally:
        file.close()


def left_in_home(home: Path) -> list[str]:
    """Return what a stopped provider has left of any job, its results, and itself."""
    others = [path for path in home.iterdir() if path.name not in KEPT]
    names = ("work", "outbox", "control", "containers")
    rooms = [path for name in names for path in (home / name).rglob("*")]
    return [str(path) for path in others + rooms]


def _kept(rows: list[sa.Row[Any]]) -> Kept:
    return Kept(*(int(sum_ or 0) for sum_ in rows[0]))


def left_at_market(data_dir: Path, named: set[str]) -> list[str]:
    """Return the files of a marketplace that nothing names, and those that are named and lost."""
    root = data_dir / "artifacts"
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return sorted(found ^ named)


def left_groups(owners: set[int]) -> list[str]:
    """Return the control groups that supervisors have left."""
    found = (
        os.path.join(parent, name)
        for parent, names, _ in os.walk("/sys/fs/cgroup")  # others' groups come and go meanwhile
        for name in names
        if name.startswith("node3nb-") and int(name.split("-")[1]) in owners
    )
    return list(found)


def left_sockets(directory: Path) -> list[str]:
    """Return the sockets that somebody still listens on below a directory."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return [line for line in lines if f" {directory}/" in line]
