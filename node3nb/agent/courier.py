"""Has results delivered: each at once, and again as long as it can't be."""

from __future__ import annotations

import asyncio

from node3nb.agent.backoff import Backoff
from node3nb.agent.common import Common
from node3nb.agent.delivery import Delivery
from node3nb.agent.earnings import Earnings
from node3nb.agent.letter import Letter
from node3nb.agent.outbox import Outbox
from node3nb.agent.records import JobRecord
from node3nb.errors import LeaseLost
from node3nb.jobs import ExitReason, JobState

#: Seconds between two tries to deliver what waits in the outbox, at the most.
DELIVERY_S = 120.0


class Courier:
    """Delivers on the provider's loop what waits in its outbox."""

    def __init__(
        self, common: Common, delivery: Delivery, outbox: Outbox, earnings: Earnings
    ) -> None:
        self._common = common
        self._delivery = delivery
        self._outbox = outbox
        self._earnings = earnings
        self._undelivered = asyncio.Event()

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
                await asyncio.sleep(backoff.failed(failed))

    async def deliver(self, letter: Letter) -> Exception | None:
        """Deliver one letter; return why it has to be tried again, if it has."""
        try:
            sent = await self._common.threads.call(self._delivery.deliver, letter)
        except LeaseLost as error:
            await self._settle_unwanted(letter, error)
        except Exception as error:  # noqa: BLE001 - nothing may keep the others from delivery
            self._common.trouble(f"The result of job {letter.job_id} waits: ", error)
            self._undelivered.set()
            return error
        else:
            await self._settle(sent or letter)
        return None

    async def give_back(self, record: JobRecord) -> None:
        """Tell the marketplace that a job was not run here and can be elsewhere."""
        try:
            await self._common.threads.call(self._delivery.give_back, record.lease, record.unwanted)
        except Exception as error:  # noqa: BLE001 - its lease runs out in any case
            self._common.trouble(f"Job {record.spec.job_id} was not given back: ", error)

    async def _deliver_all(self) -> Exception | None:
        """Deliver what waits; return the first reason why something has to be tried again."""
        try:
            await self._common.threads.call(self._outbox.drop_old)
            letters = await self._common.threads.call(self._delivery.waiting)
        except OSError as error:
            self._common.trouble("The outbox can't be read: ", error)
            self._undelivered.set()
            return error
        failures = [await self.deliver(letter) for letter in letters]
        return next((error for error in failures if error is not None), None)

    async def _settle(self, letter: Letter) -> None:
        self._common.book.settle(letter.job_id, letter.result)
        ended = letter.result
        self._common.journal.note(f"Job {letter.job_id} {ended.state}. {ended.message}".strip())
        await self._common.threads.call(self._earnings.enter, letter)

    async def _settle_unwanted(self, letter: Letter, error: LeaseLost) -> None:
        told = f"The result of job {letter.job_id} is not wanted any more: {error}"
        self._common.journal.note(told)
        cancelled = letter.result.state is JobState.CANCELLED
        reason = ExitReason.CANCELLED if cancelled else ExitReason.LOST
        unwanted = letter.failed(reason, told)
        self._common.book.settle(letter.job_id, unwanted.result)
        await self._common.threads.call(self._earnings.enter, unwanted)
