"""No file that a live job names is ever removed, whatever happens in whatever order.

The keeper of files is the real one, on a real database and a real directory; only the order is
drawn.  Each task of it stops before every call to the database, every file and every piece, and
may be killed there.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketplace.market_parts import BOTH, SetClock
from marketplace.test_market_storage import charged, counted
from support.stepwise import StepDatabase, StepDirectory, Walker

from node3nb.marketplace.artifacts.keeper import PAST_S, Artifacts, Slot
from node3nb.marketplace.database import Database
from node3nb.marketplace.protocol import Completion, JobSubmission, Registration, UploadAsked
from node3nb.marketplace.refusals import Refusal
from node3nb.marketplace.schema import artifacts, jobs, uploads
from node3nb.marketplace.settings import DAY_S, Settings
from node3nb.marketplace.store import attempts, callers, files, leases, outcomes, queue
from node3nb.marketplace.store.callers import Origin
from node3nb.marketplace.store.leases import Claim
from node3nb.marketplace.words import ArtifactKind

DATABASES = BOTH
#: Deeds of one example, and examples.
DEEDS, LIVES = 250, 8
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
        limits = Settings(root, keep_inputs_days=1, keep_outputs_days=2, quota_bytes=1 << 30)
        self.keeper = Artifacts(self.store, StepDatabase(database), self.clock, limits)
        self.walkers: list[Walker] = []
        #: Files that were kept at some time.
        self.kept, self.seen = 0, set[tuple[str, str]]()
        self.jobs: list[str] = []
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
        named = self.do(_named)
        self.kept += len(set(named) - self.seen)
        self.seen |= set(named)
        for name, sha256 in named:
            content = (self.root / name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == sha256
        assert self.do(charged) == self.do(counted)
        assert self.do(_without_input) == []

    async def end(self) -> None:
        """Kill what is under way, end all jobs, wait, clear up: nothing is left."""
        for walker in self.walkers:
            await walker.die()
        self.walkers = []
        self.check()
        for job_id in self.jobs:
            self.cancel(job_id)
        self.clock.advance(3 * DAY_S + PAST_S)
        await self.keeper.tidy()
        assert self.do(lambda c: c.execute(sa.select(artifacts)).all()) == []
        assert self.do(lambda c: c.execute(sa.select(uploads)).all()) == []
        assert self.do(charged) == {}
        assert [path for path in self.root.rglob("*") if path.is_file()] == []
        self.jobs, self.permits = [], []


def _named(connection: sa.Connection) -> list[tuple[str, str]]:
    """Return names and SHA-256 of all files that are kept."""
    rows = connection.execute(sa.select(artifacts.c.name, artifacts.c.sha256))
    return [(row.name, row.sha256) for row in rows]


def _without_input(connection: sa.Connection) -> list[str]:
    """Return the live jobs that had an input and have none now."""
    has = sa.exists().where(artifacts.c.job_id == jobs.c.job_id, artifacts.c.kind == "input")
    query = sa.select(jobs.c.job_id).where(jobs.c.status.not_in([*ENDED, "pending"]), ~has)
    return list(connection.execute(query).scalars())


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    half = len(content) // 2
    yield content[:half]
    yield content[half:]


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Any:
    with Database(database_url) as database:
        yield World(database, tmp_path / "files")


#: What can happen, and how often beside the others.
ACTIONS = {
    "submit": 3,
    "send": 3,
    "send past": 2,
    "put": 2,
    "accept": 1,
    "complete": 1,
    "cancel": 1,
    "tidy": 3,
    "step": 40,
    "die": 1,
    "expire": 1,
    "a while": 2,
    "a day": 1,
}


async def act(world: World, action: str, number: int) -> None:
    job_id = world.jobs[number % len(world.jobs)]
    content = b"content %d" % (number % 3)
    if action in {"step", "die"}:
        await world.walk(number, dies=action == "die")
        return
    deeds: dict[str, Callable[[], object]] = {
        "submit": world.submit,
        "send": lambda: world.set_out(lambda: world.send(job_id, content)),
        "send past": lambda: world.set_out(lambda: world.send_past(job_id, content)),
        "put": lambda: world.put(number),
        "accept": lambda: world.accept(job_id),
        "complete": lambda: world.complete(job_id),
        "cancel": lambda: world.cancel(job_id),
        "tidy": lambda: world.set_out(world.keeper.tidy),
        "expire": world.expire,
        "a while": lambda: world.clock.advance(PAST_S / 2 + 1),
        "a day": lambda: world.clock.advance(1.1 * DAY_S),
    }
    deeds[action]()


@pytest.mark.timeout(300)
def test_no_file_that_a_live_job_names_is_ever_removed(world: World) -> None:
    @settings(
        max_examples=LIVES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=True))
    def run(chance: random.Random) -> None:
        asyncio.run(live(world, chance))

    run()
    assert world.kept > LIVES  # the deeds do reach what they are to put at risk


async def live(world: World, chance: random.Random) -> None:
    """Let so many deeds be done in an order by chance; end with nothing left."""
    world.submit()
    drawn = chance.choices(list(ACTIONS), list(ACTIONS.values()), k=DEEDS)
    try:
        for action in drawn:
            await act(world, action, chance.randrange(1 << 16))
            world.check()
    finally:
        await world.end()


@pytest.mark.parametrize("past", [False, True])
@pytest.mark.parametrize("dies", [False, True])
def test_an_upload_and_a_clearing_up_at_every_step_of_each_other(
    world: World, *, past: bool, dies: bool
) -> None:
    """The one goes so far, then the other so far, then each goes to its end or to its death."""

    async def meet(sent_steps: int, tidy_steps: int) -> None:
        world.submit()
        (job_id,) = world.jobs
        await _finish(Walker(lambda: world.send(job_id, b"input")))
        world.accept(job_id)
        await _finish(Walker(lambda: world.send(job_id, b"first output")))
        send = world.send_past if past else world.send
        sending = Walker(lambda: send(job_id, b"second output"))
        for _ in range(sent_steps):
            await sending.step()
        world.put(0)
        tidying = Walker(world.keeper.tidy)
        for _ in range(tidy_steps):
            await tidying.step()
        await (sending.die() if dies else _finish(sending))
        world.check()
        await _finish(tidying)
        world.check()
        assert len(world.do(_named)) == 2
        await world.end()

    for sent_steps in range(1, 8):
        for tidy_steps in (2, 5, 9, 14):
            asyncio.run(meet(sent_steps, tidy_steps))


async def _finish(walker: Walker) -> None:
    while walker.walks:
        await walker.step()
