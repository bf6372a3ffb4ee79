"""The marketplace that is cleared up in test_market_never_lost.py, and what must hold of it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from marketplace.market_parts import SetClock
from marketplace.test_market_storage import charged, counted
from support.stepwise import StepDatabase, StepDirectory, Walker

from node3nb.marketplace.artifacts.keeper import PAST_S, Artifacts, Slot
from node3nb.marketplace.clearing import Clearing
from node3nb.marketplace.database.database import Database
from node3nb.marketplace.database.schema import artifacts, events, jobs, uploads
from node3nb.marketplace.database.schema import leases as lease_rows
from node3nb.marketplace.logs import Logs
from node3nb.marketplace.refusals import Refusal
from node3nb.marketplace.settings import DAY_S, Settings
from node3nb.marketplace.store import attempts, callers, files, leases, ledger, outcomes, queue
from node3nb.marketplace.store.callers import Origin
from node3nb.marketplace.store.leases import Claim
from node3nb.marketplace.wire.protocol import Completion, JobSubmission, Registration, UploadAsked
from node3nb.marketplace.wire.words import ArtifactKind

#: Steps that one task goes at a time, at the most.
LEAPS = 3
LEASE_S = 90.0
ENDED = ("completed", "failed", "cancelled")


class World:
    """A marketplace's files, jobs and agents, and the tasks that are under way."""

    def __init__(self, database: Database, root: Path) -> None:
        self.database = database
        self.clock = SetClock()
        self.root = root
        self.store = StepDirectory(root)
        limits = Settings(root, None, keep_inputs_days=0.5, keep_outputs_days=1, keep_jobs_days=1)
        steps = StepDatabase(database)
        self.keeper = Artifacts(self.store, steps, self.clock, limits)
        self.logs = Logs(root.with_name("logs"), 1 << 20)
        self.clearing = Clearing(self.keeper, self.logs, steps, self.clock, limits)
        self.walkers: list[Walker] = []
        #: Files that were kept at some time.
        self.kept, self.seen = 0, set[tuple[str, str]]()
        self.jobs: list[str] = []
        #: Jobs that have not ended, and logs by job; jobs that were removed at some time.
        self.live: set[str] = set()
        self.printed: dict[str, int] = {}
        self.removed = 0
        self.permits: list[tuple[str, bytes]] = []
        registration = Registration(wallet_address="w", gpu_model="", gpu_vendor="", gpu_memory=0)
        origin = Origin("127.0.0.1", 1 << 20)
        self.agent = self.do(callers.register, registration, origin, self.clock()).agent_id

    def do(self, operation: Callable[..., Any], *args: Any) -> Any:
        return self.database.write(operation, *args).result()

    def submit(self) -> None:
        asked = JobSubmission(command=["x"], awaits_input=True, max_attempts=9)
        submitted = self.do(queue.submit, asked, "somebody", None, self.clock())
        self.jobs.append(submitted.answer.job_id)

    def try_(self, operation: Callable[..., Any], *args: Any) -> Any:
        try:
            return self.do(operation, *args)
        except Refusal:
            return None

    def accept(self, job_id: str) -> None:
        claim = Claim(self.agent, "w", None, self.clock(), LEASE_S)
        self.try_(leases.accept, job_id, claim)

    def complete(self, job_id: str) -> None:
        now = "2026-01-01T00:00:00Z"
        said = Completion(status="completed", started_at=now, completed_at=now, duration=1.0)
        self.try_(outcomes.complete, job_id, self.agent, said, self.clock())

    def tell(self, job_id: str) -> None:
        """Add to the log of an attempt that counts, as the route does."""
        attempt = self.do(attempts.latest, job_id)
        if attempt is not None and attempt.open:
            end = len(self.logs.read(job_id, attempt.acceptance, 0))
            self.logs.append(job_id, attempt.acceptance, end, b"printed")
            self.printed[job_id] = attempt.acceptance

    def set_out(self, work: Callable[[], Any]) -> None:
        self.walkers.append(Walker(work))

    async def walk(self, number: int, *, dies: bool = False) -> None:
        """Let one of the tasks go some steps, or die."""
        walking = [walker for walker in self.walkers if walker.walks]
        if not walking:
            return
        walker = walking[number % len(walking)]
        if dies:
            await walker.die()
        for _ in range(1 + number // 64 % LEAPS):
            await walker.step()

    def cancel(self, job_id: str) -> None:
        self.try_(outcomes.cancel, job_id, self.clock())

    def expire(self) -> None:
        self.clock.advance(LEASE_S + 1)
        self.do(leases.expire, self.clock())

    async def send(self, job_id: str, content: bytes) -> None:
        """Do what the routes do with a body."""
        slot, keep = await self._target(job_id)
        sha256 = hashlib.sha256(content).hexdigest()
        async with self.keeper.received(slot, _pieces(content), None, sha256) as file:
            kept = await keep(file)
        await self.keeper.remove(kept.spare)

    async def send_past(self, job_id: str, content: bytes) -> None:
        """Do what the routes do with a file that goes past the server."""
        slot, keep = await self._target(job_id)
        sha256 = hashlib.sha256(content).hexdigest()
        permitted = await self.keeper.permit(slot, UploadAsked(bytes=len(content), sha256=sha256))
        assert permitted is not None
        self.permits.append((permitted[0], content))
        kept = await keep(await self.keeper.arrived(slot, permitted[0]))
        await self.keeper.remove(kept.spare)

    async def _target(self, job_id: str) -> tuple[Slot, Callable[[Any], Any]]:
        steps = StepDatabase(self.database)
        attempt = await steps.read(attempts.latest, job_id)
        now = self.clock()
        if attempt is None:
            slot = Slot(job_id, ArtifactKind.INPUT)
            return slot, lambda file: steps.write(files.keep_input, job_id, file, now)
        slot = Slot(job_id, ArtifactKind.OUTPUT, attempt.acceptance)
        return slot, lambda file: steps.write(files.keep_output, attempt, None, file, now)

    def put(self, number: int) -> None:
        """Let a client use a permit, be it late."""
        if self.permits:
            self.store.put(*self.permits[number % len(self.permits)])

    def check(self) -> None:
        """Every row that a job may still need has its file, with its content."""
        named = self.do(files_named)
        self.kept += len(set(named) - self.seen)
        self.seen |= set(named)
        for name, sha256 in named:
            content = (self.root / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == sha256
        assert self.do(charged) == self.do(counted)
        assert self.do(_without_input) == []
        self._check_jobs()

    def _check_jobs(self) -> None:
        """Who was live when it was last looked is there, with its leases, history and log."""
        rows = self.do(_known)
        assert self.live <= {row.job_id for row in rows}
        for row in rows:
            assert row.leases == row.acceptances
            assert row.events > row.acceptances
        self.live = {row.job_id for row in rows if row.status not in ENDED}
        for job_id in self.live & set(self.printed):
            assert self.logs.read(job_id, self.printed[job_id], 0)
        gone = set(self.jobs) - {row.job_id for row in rows}
        self.removed += len(gone)
        self.jobs = [job_id for job_id in self.jobs if job_id not in gone]
        if gone:
            assert self.do(ledger.audit).exact

    async def end(self) -> None:
        """Kill what is under way, end all jobs, wait, clear up: nothing is left."""
        for walker in self.walkers:
            await walker.die()
        self.walkers = []
        self.check()
        for job_id in self.jobs:
            self.cancel(job_id)
        self.clock.advance(3 * DAY_S + PAST_S)
        await self.clearing.tidy()
        assert self.do(lambda c: c.execute(sa.select(artifacts)).all()) == []
        assert self.do(lambda c: c.execute(sa.select(uploads)).all()) == []
        assert self.do(charged) == {}
        for table in (jobs, lease_rows, events):
            assert self.do(lambda c: c.execute(sa.select(table)).all()) == []  # noqa: B023 - done in this turn
        assert self.do(ledger.audit).exact
        assert self.logs.by_job() == {}
        assert [path for path in self.root.rglob("*") if path.is_file()] == []
        self.jobs, self.permits, self.live = [], [], set()


def files_named(connection: sa.Connection) -> list[tuple[str, str]]:
    """Return names and SHA-256 of all files that are kept."""
    rows = connection.execute(sa.select(artifacts.c.name, artifacts.c.sha256))
    return [(row.name, row.sha256) for row in rows]


def _without_input(connection: sa.Connection) -> list[str]:
    """Return the live jobs that had an input and have none now."""
    has = sa.exists().where(artifacts.c.job_id == jobs.c.job_id, artifacts.c.kind == "input")
    query = sa.select(jobs.c.job_id).where(jobs.c.status.not_in([*ENDED, "pending"]), ~has)
    return list(connection.execute(query).scalars())


def _known(connection: sa.Connection) -> list[Any]:
    """Return all jobs with how many leases and events each has."""
    counts = (
        sa.select(sa.func.count())
        .where(table.c.job_id == jobs.c.job_id)
        .correlate(jobs)
        .scalar_subquery()
        .label(table.name)
        for table in (lease_rows, events)
    )
    columns = jobs.c.job_id, jobs.c.status, jobs.c.acceptances
    return list(connection.execute(sa.select(*columns, *counts)))


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    half = len(content) // 2
    yield content[:half]
    yield content[half:]
