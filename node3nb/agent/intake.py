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
from node3nb.agent.polling import Offers, Polling
from node3nb.agent.quota import LiveQuota
from node3nb.agent.records import ProviderState
from node3nb.agent.room import DiskRoom
from node3nb.agent.settings import Settings
from node3nb.agent.workshop import Workshop
from node3nb.errors import (
    DiskFull,
    JobRefused,
    JobSpecError,
    LeaseLost,
    MarketplaceUnauthorized,
    Node3Error,
)
from node3nb.job_checks import printable
from node3nb.jobs import JobSpec
from node3nb.marketplace.wire.protocol import read_job

#: A job as it was offered, as it was read, and what is to run it.
_Chosen = tuple[object, JobSpec, Admitted]

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
        room: DiskRoom,
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
        self._room = room
        self._full = False
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

    def _has_room(self, chosen: int = 0) -> bool:
        """Whether it takes another job beside those that run and those that are chosen already."""
        if self._common.standing.state is not ProviderState.RUNNING:
            return False
        most = self._settings.max_jobs
        if most is not None and self._taken + chosen >= most:
            return False
        return self._common.book.count() + chosen < self._quota.now.slots

    def _note_trouble(self, error: Exception) -> None:
        if isinstance(error, MarketplaceUnauthorized) and self._enrolment.renew():
            self._common.journal.note("The kept API key is refused; registering anew.")
        self._common.trouble("", error)
        self._common.standing.explain(self._common.journal.entries()[-1].text)

    async def _poll(self) -> float:
        """Ask for jobs and take what fits; return the seconds to wait before the next time."""
        try:
            looked = await self._common.threads.call(self._look)
        except DiskFull as full:
            self._wait_for_room(str(full))
            return jittered(self._settings.poll_s)
        self._note_room()
        if looked is None:
            self._courier.look()
            self._common.standing.poke()
            return 0.0
        offers, chosen = looked
        self._enrolment.accepted()
        if not offers.jobs:
            self._explain("The marketplace has no job for this machine now.")
            return 0.0 if offers.waited else jittered(self._settings.poll_s)
        taken = await asyncio.gather(
            *(self._take(wire, spec, admitted) for wire, spec, admitted in chosen),
            return_exceptions=True,
        )
        for error in taken:
            if isinstance(error, BaseException):
                raise error
        return 0.0 if any(taken) else jittered(self._settings.poll_s)

    def _wait_for_room(self, told: str) -> None:
        """Say that the disk is full; in the journal once, until there is room again."""
        self._common.standing.explain(told)
        if not self._full:
            self._full = True
            self._common.journal.trouble(told)

    def _note_room(self) -> None:
        if self._full:
            self._full = False
            self._common.journal.note("There is room on the disk again; jobs are taken.")
            self._explain("It is looking for jobs.")

    def _explain(self, reason: str) -> None:
        """Say what it waits for; jobs that run say more."""
        running = self._common.book.running()
        self._common.standing.explain("It runs jobs." if running else reason)

    def _look(self) -> tuple[Offers, list[_Chosen]] | None:
        """Ask for jobs, and choose those that can be run here beside what runs; blocking.

        None when it had to register first.

        Raises
        ------
        DiskFull
            No job is to be taken now; after a long poll, that has to be asked again.
        """
        self._room.check()
        if self._enrolment.ensure():
            return None
        free = max(self._quota.now.slots - len(self._common.book.running()), 1)
        self._admission.refresh()
        has = self._admission.offering()
        offers = self._polling.poll(free, has.isolation, has.executors)
        if offers.jobs:
            self._room.check()
        few = len(offers.jobs) <= MOST_OFFERS
        jobs = offers.jobs if few else random.sample(offers.jobs, MOST_OFFERS)
        chosen: list[_Chosen] = []
        for wire in jobs:
            if not self._has_room(len(chosen)):
                break
            try:
                spec = read_job(wire, self._quota.now.job_defaults())
                admitted = self._admit(spec, [each for _, each, _ in chosen])
            except (JobSpecError, JobRefused) as error:
                self._refuse(wire, error)
            else:
                chosen.append((wire, spec, admitted))
        return offers, chosen

    async def _take(self, wire: object, spec: JobSpec, admitted: Admitted) -> bool:
        """Take one job; return whether it was taken."""
        if not self._has_room():
            return False
        try:
            await self._workshop.take(spec, admitted)
        except LeaseLost as error:
            self._refuse(wire, error)
            return False
        self._common.standing.explain("It runs jobs.")
        self._common.journal.note(f"Job {spec.job_id} taken. {admitted.why}")
        self._taken += 1
        if self._taken == self._settings.max_jobs and not self._common.standing.ending:
            told = "It has taken the jobs it was to take; it finishes them, then stops."
            self._common.standing.move(ProviderState.DRAINING, told)
        return True

    def _admit(self, spec: JobSpec, chosen: list[JobSpec]) -> Admitted:
        """Return what is to run a job.

        Raises
        ------
        JobRefused
            It is not taken.
        """
        running = [*(record.spec for record in self._common.book.running()), *chosen]
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
