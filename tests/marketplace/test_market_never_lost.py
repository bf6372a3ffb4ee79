"""No live job, and no file that one names, is ever removed, whatever happens in whatever order.

The clearing up is the real one, on a real database and a real directory; only the order is
drawn.  Each task of it stops before every call to the database, every file and every piece, and
may be killed there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marketplace.cleared_world import World, files_named
from marketplace.market_parts import BOTH
from support.stepwise import Walker

from node3nb.marketplace.artifacts.keeper import PAST_S
from node3nb.marketplace.database.database import Database
from node3nb.marketplace.settings import DAY_S

DATABASES = BOTH
#: Deeds of one example, and examples.
DEEDS, LIVES = 250, 8


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
    "cancel": 2,
    "tell": 2,
    "tidy": 3,
    "step": 40,
    "die": 1,
    "expire": 1,
    "a while": 2,
    "a day": 2,
}


async def act(world: World, action: str, number: int) -> None:
    job_id = world.jobs[number % len(world.jobs)] if world.jobs else "none"
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
        "tell": lambda: world.tell(job_id),
        "tidy": lambda: world.set_out(world.clearing.tidy),
        "expire": world.expire,
        "a while": lambda: world.clock.advance(PAST_S / 2 + 1),
        "a day": lambda: world.clock.advance(1.1 * DAY_S),
    }
    deeds[action]()


@pytest.mark.timeout(300)
def test_no_live_job_and_no_file_that_it_names_is_ever_removed(world: World) -> None:
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
    # the deeds do reach what they are to put at risk
    assert world.removed > 0
    assert world.kept > LIVES


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
        tidying = Walker(world.clearing.tidy)
        for _ in range(tidy_steps):
            await tidying.step()
        await (sending.die() if dies else _finish(sending))
        world.check()
        await _finish(tidying)
        world.check()
        assert len(world.do(files_named)) == 2
        await world.end()

    for sent_steps in range(1, 8):
        for tidy_steps in (2, 5, 9, 14):
            asyncio.run(meet(sent_steps, tidy_steps))


async def _finish(walker: Walker) -> None:
    while walker.walks:
        await walker.step()
