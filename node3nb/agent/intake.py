"""Looks for jobs, as long as there is room for one, and takes those that can be run here."""

from __future__ import annotations

import asyncio
import random
from collections import deque

from node3nb.agent.admission import Admission, Admitted
from node3nb.agent.backoff import Backoff, jittered
from node3nb.agent.common import Common
from node3nb.agent.courier import Courier
from node3nb.agent.enrolment import Enrolment
from node3nb.agent.outbox import Outbox
from node3nb.agent.polling import Polling
from node3nb.agent.quota import LiveQuota
from node3nb.agent.records import ProviderState
from node3nb.agent.settings import Settings
from node3nb.agent.workshop import Workshop
from node3nb.errors import JobRefused, JobSpecError, LeaseLost, MarketplaceUnauthorized, Node3Error
from node3nb.job_checks import printable
from node3nb.jobs import JobSpec
from node3nb.marketplace.protocol import read_job

#: Offers of one answer that are looked at.
MOST_OFFERS = 1000
#: Refusals remembered, so that one that is met at every poll is told once.
REFUSALS_KEPT = 1000


class Intake:
    """Polls one marketplace; the jobs it takes go to the workshop."""

    def __init__(
        self,
        common: Common,
        settings: Settings,
        *,
        enrolment: Enrolment,
        polling: Polling,
        admission: Admission,
        workshop: Workshop,
        courier: Courier,
        outbox: Outbox,
        quota: LiveQuota,
    ) -> None:
        self._common = common
        self._settings = settings
        self._enrolment = enrolment
        self._polling = polling
        self._admission = admission
        self._workshop = workshop
        self._courier = courier
        self._outbox = outbox
        self._quota = quota
        self._taken = 0
        self._told: deque[str] = deque(maxlen=REFUSALS_KEPT)

    async def poll_forever(self) -> None:
        """Poll until cancelled, whatever goes wrong."""
        backoff = Backoff()
        while True:
            await self._common.standing.wait_until(self._has_room)
            try:
                pause_s = await self._poll()
                backoff.succeeded()
            except Exception as error:  # noqa: BLE001 - a provider that lives on must look for jobs
                pause_s = backoff.failed(error)
                self._note_trouble(error)
            await asyncio.sleep(pause_s)

    def _has_room(self) -> bool:
        running = len(self._common.book.running())
        return (
            self._common.standing.state is ProviderState.RUNNING and running < self._quota.now.slots
        )

    def _note_trouble(self, error: Exception) -> None:
        if isinstance(error, MarketplaceUnauthorized) and self._enrolment.renew():
            self._common.journal.note("The kept API key is refused; registering anew.")
        self._common.trouble("", error)
        self._common.standing.explain(self._common.journal.entries()[-1].text)

    async def _poll(self) -> float:
        """Ask for jobs and take what fits; return the seconds to wait before the next time."""
        if await self._common.threads.call(self._enrolment.ensure):
            self._courier.look()
            self._common.standing.poke()
        free = max(self._quota.now.slots - len(self._common.book.running()), 1)
        await self._common.threads.call(self._admission.refresh)
        has = self._admission.offering()
        polling = self._polling.poll
        offers = await self._common.threads.call(polling, free, has.isolation, has.executors)
        self._enrolment.accepted()
        if not offers.jobs:
            self._explain("The marketplace has no job for this machine now.")
            return 0.0 if offers.waited else jittered(self._settings.poll_s)
        looked_at = random.sample(offers.jobs, min(len(offers.jobs), MOST_OFFERS))
        jobs = offers.jobs if len(offers.jobs) <= MOST_OFFERS else looked_at
        taken = [await self._consider(wire) for wire in jobs]
        return 0.0 if any(taken) else jittered(self._settings.poll_s)

    def _explain(self, reason: str) -> None:
        """Say what it waits for; jobs that run say more."""
        running = self._common.book.running()
        self._common.standing.explain("It runs jobs." if running else reason)

    async def _consider(self, wire: object) -> bool:
        """Take one offered job if it can be run here; return whether it was taken."""
        if not self._has_room():
            return False
        try:
            spec = read_job(wire, self._quota.now.job_defaults())
            admitted = await self._common.threads.call(self._admit, spec)
            await self._workshop.take(spec, admitted)
        except (JobSpecError, JobRefused, LeaseLost) as error:
            self._refuse(wire, error)
            return False
        self._common.standing.explain("It runs jobs.")
        self._common.journal.note(f"Job {spec.job_id} taken. {admitted.why}")
        self._taken += 1
        if self._taken == self._settings.max_jobs and not self._common.standing.ending:
            told = "It has taken the jobs it was to take; it finishes them, then stops."
            self._common.standing.move(ProviderState.DRAINING, told)
        return True

    def _admit(self, spec: JobSpec) -> Admitted:
        """Return what is to run a job.

        Raises
        ------
        JobRefused
            It is not taken.
        """
        running = [record.spec for record in self._common.book.running()]
        if any(each.job_id == spec.job_id for each in running):
            raise JobRefused("It runs here already.")
        if self._common.book.waits(spec.job_id) or self._outbox.holds(spec.job_id):
            raise JobRefused("Its result from here waits to be delivered.")
        known = self._common.book.find(spec.job_id)
        if known is not None and known.owner_cancelled:
            raise JobRefused("You cancelled it here.")
        return self._admission.admit(spec, running)

    def _refuse(self, wire: object, error: Node3Error) -> None:
        job_id = wire.get("job_id") if isinstance(wire, dict) else None
        text = f"Job {printable(job_id)} was not taken: {error}"
        self._common.standing.explain(text)
        if text not in self._told:
            self._told.append(text)
            self._common.journal.note(text)
