"""Has results delivered: each at once, and again as long as it can't be."""

from __future__ import annotations

import asyncio
from collections import deque

from node3nb.agent.backoff import Backoff
from node3nb.agent.common import Common
from node3nb.agent.delivery import Delivery
from node3nb.agent.letter import Envelope, Letter, LetterDamaged, LetterTaken
from node3nb.agent.outbox import Outbox
from node3nb.agent.records import JobRecord
from node3nb.errors import MarketplaceError

#: Seconds between two tries to deliver what waits in the outbox, at the most.
DELIVERY_S = 120.0
#: Results delivered at once: one whose outputs go to a slow host must not hold up the others.
AT_ONCE = 4
#: Words about unreadable letters that are remembered, so that each is said once.
WORDS_KEPT = 100


class Courier:
    """Delivers on the provider's loop what waits in its outbox."""

    def __init__(self, common: Common, delivery: Delivery, outbox: Outbox) -> None:
        self._common = common
        self._delivery = delivery
        self._outbox = outbox
        self._undelivered = asyncio.Event()
        self._told: deque[str] = deque(maxlen=WORDS_KEPT)

    def look(self) -> None:
        """Look into the outbox soon: something may wait there that can be delivered now."""
        self._undelivered.set()

    async def deliver_forever(self) -> None:
        """Deliver what an earlier provider, or a dead network, has left in the outbox."""
        backoff = Backoff(DELIVERY_S)
        while True:
            await self._undelivered.wait()
            self._undelivered.clear()
            failed = await self._deliver_all()
            if failed is None:
                backoff.succeeded()
            else:
                self._undelivered.set()
                await asyncio.sleep(backoff.failed(failed))

    async def deliver(self, envelope: Envelope) -> Exception | None:
        """Deliver one letter; return why it has to be tried again, if it has."""
        try:
            sent = await self._common.threads.call(self._delivery.deliver, envelope)
        except LetterDamaged as error:
            self._common.trouble(f"The result of job {envelope.job_id}: ", error)
        except LetterTaken as error:
            return error
        except Exception as error:  # noqa: BLE001 - nothing may keep the others from delivery
            self._common.trouble(f"The result of job {envelope.job_id} waits: ", error)
            self._undelivered.set()
            return error
        else:
            if sent is not None:
                self._settle(sent)
        return None

    async def give_back(self, record: JobRecord) -> None:
        """Tell the marketplace that a job was not run here and can be elsewhere."""
        lease, reason = record.lease, record.unwanted
        try:
            await self._common.threads.call(self._delivery.give_back, lease, reason)
        except Exception as error:  # noqa: BLE001 - it is given back later, or by the next provider
            self._common.trouble(f"Job {record.spec.job_id} was not given back: ", error)
            self._outbox.leave(record.name)
            self._undelivered.set()
        else:
            await self._common.threads.call(self._outbox.forget, record.name)

    async def _deliver_all(self) -> Exception | None:
        """Deliver what waits; return the first reason why something has to be tried again."""
        call = self._common.threads.call
        try:
            for job_id in await call(self._delivery.give_back_orphans):
                self._common.journal.note(f"Job {job_id} was given back: its provider had died.")
            for name in await call(self._outbox.unreadable):
                self._say_once(await call(self._delivery.set_aside, name))
            waiting = deque(await call(self._delivery.waiting))
        except (OSError, MarketplaceError) as error:
            self._common.trouble("The outbox waits: ", error)
            return error
        failures = await asyncio.gather(*(self._deliver_each(waiting) for _ in range(AT_ONCE)))
        return next((error for error in failures if error is not None), None)

    async def _deliver_each(self, waiting: deque[Envelope]) -> Exception | None:
        """Deliver one after the other, until the marketplace itself does not take them."""
        first: Exception | None = None
        while waiting:
            failed = await self.deliver(waiting.popleft())
            first = first or failed
            if isinstance(failed, MarketplaceError):
                waiting.clear()
        return first

    def _say_once(self, told: str) -> None:
        if told and told not in self._told:
            self._told.append(told)
            self._common.journal.trouble(told)

    def _settle(self, letter: Letter) -> None:
        self._common.book.settle(letter.job_id, letter.result)
        ended = letter.result
        self._common.journal.note(f"Job {letter.job_id} {ended.state}. {ended.message}".strip())
