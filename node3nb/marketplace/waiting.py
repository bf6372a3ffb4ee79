"""Long polls: every new job wakes the one agent that has waited longest for its like.

A job that was offered is held back from other waiting agents for a moment, so that they don't
all run for it; when it is not accepted by then, the next one is woken.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, KeysView

from node3nb.marketplace.resources import Resources
from node3nb.marketplace.store.queue import Freed

#: How long an offered job is held back from other waiting agents, in seconds.
OFFER_S = 1.0
#: Most jobs that are held back at once: each poll looks at so many more of the queue.
MOST_HELD_BACK = 1000


class Waiter:
    """An agent that waits for a job.

    Parameters
    ----------
    has
        What the agent offers.
    """

    def __init__(self, has: Resources) -> None:
        self.has = has
        #: The job it was woken for and has not looked for yet.
        self.told: Freed | None = None
        #: Whether nobody waits for its answer any more.
        self.gone = False
        self._woken = asyncio.Event()

    def look(self) -> None:
        """Start to look at the queue: what it was told until now is taken note of."""
        self.told = None
        self._woken.clear()

    def tell(self, job: Freed) -> None:
        """Wake it for a job."""
        self.told = job
        self._woken.set()

    def leave(self) -> None:
        """Wake it because its wait is pointless."""
        self.gone = True
        self._woken.set()

    async def woken(self, deadline: float) -> bool:
        """Wait; return whether it should look again before the loop's time is `deadline`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._woken.wait()
        return self._woken.is_set() and not self.gone


class WaitingRoom:
    """The agents that wait, in the order they came; lives on one event loop."""

    def __init__(self) -> None:
        self._waiters: dict[Waiter, None] = {}
        self._held_back: dict[str, asyncio.TimerHandle] = {}
        self._closed = False

    @property
    def held_back(self) -> KeysView[str]:
        """Jobs that were offered to somebody a moment ago."""
        return self._held_back.keys()

    @contextlib.contextmanager
    def waiter(self, has: Resources) -> Iterator[Waiter]:
        """Bring an agent in, and pass on what it was told but did not look for."""
        waiter = Waiter(has)
        try:
            yield waiter
        finally:
            self._waiters.pop(waiter, None)
            if waiter.told is not None:
                self.announce(waiter.told)

    def sit(self, waiter: Waiter) -> None:
        """Let an agent wait for the next job from now on."""
        waiter.look()
        self._waiters.setdefault(waiter)
        if self._closed:
            waiter.leave()

    def offers(self, most: int) -> list[Resources]:
        """Return what those who wait have, each once; those who have waited longest first."""
        distinct = dict.fromkeys(waiter.has for waiter in self._waiters)
        return list(distinct)[:most]

    def announce(self, job: Freed) -> bool:
        """Wake the first agent that can run a job; it leaves the row.  False when none waits."""
        for waiter in self._waiters:
            if waiter.has.cover(job.needs):
                del self._waiters[waiter]
                waiter.tell(job)
                return True
        return False

    def hold_back(self, job: Freed) -> None:
        """Keep an offered job from others for a moment, then announce it again.

        Where too many are held back, whoever polls without taking any, this one is not.
        """
        if job.job_id not in self._held_back and len(self._held_back) < MOST_HELD_BACK:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(OFFER_S, self._announce_again, job)
            self._held_back[job.job_id] = timer

    def taken(self, job_id: str) -> None:
        """Forget an offered job: it was accepted."""
        timer = self._held_back.pop(job_id, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """Send everybody home, now and from now on."""
        self._closed = True
        for waiter in self._waiters:
            waiter.leave()
        for job_id in tuple(self._held_back):
            self.taken(job_id)

    def _announce_again(self, job: Freed) -> None:
        del self._held_back[job.job_id]
        self.announce(job)
