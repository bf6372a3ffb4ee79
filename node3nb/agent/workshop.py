"""Where the jobs of a provider run: taken, run, delivered or given back, each in a task."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from dataclasses import replace

from node3nb.agent import tasks
from node3nb.agent.admission import Admitted
from node3nb.agent.common import Common
from node3nb.agent.courier import Courier
from node3nb.agent.job_run import JobRun, Means
from node3nb.agent.journal import now_iso
from node3nb.agent.letter import Envelope, new_name
from node3nb.agent.records import JobRecord, Lease
from node3nb.config import work_dir
from node3nb.errors import (
    CallNotOffered,
    JobRefused,
    LeaseLost,
    MarketplaceBusy,
    MarketplaceError,
    MarketplaceRejected,
    MarketplaceUnauthorized,
)
from node3nb.files.workspace import WorkArea
from node3nb.jobs import ExitReason, JobSpec, failure
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.wire.protocol import Accepted

#: Seconds before each repeat of an acceptance that was not answered.
REPEATS_S = (0.2, 1.0, 3.0)
#: Why jobs are given back at the end.
STOPPED = "The provider was stopped."
#: Answers that leave no doubt that the job is not ours.
_CLEAR = (
    LeaseLost,
    MarketplaceBusy,
    MarketplaceUnauthorized,
    MarketplaceRejected,
    CallNotOffered,
)


class Workshop:
    """Holds the jobs that run, from their acceptance to the delivery of their results."""

    def __init__(
        self,
        common: Common,
        client: MarketplaceClient,
        courier: Courier,
        means: Means,
        wallet_address: Callable[[], str],
    ) -> None:
        self._common = common
        self._client = client
        self._courier = courier
        self._means = means
        self._wallet_address = wallet_address
        self._area: WorkArea | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._removals: set[asyncio.Task[None]] = set()

    @property
    def empty(self) -> bool:
        """Whether nothing is left to be done for any job."""
        return not self._tasks

    async def open(self) -> None:
        """Make the directory of the workspaces."""
        self._area = await self._common.threads.call(WorkArea, work_dir())

    async def close(self) -> None:
        """Remove the directory of the workspaces."""
        await tasks.cancel([*self._removals])
        area, self._area = self._area, None
        if area is not None:
            await self._common.threads.call(area.close)

    async def take(self, spec: JobSpec, admitted: Admitted) -> None:
        """Accept a job and start it; once asked for, it is run or given back, come what may.

        Raises
        ------
        LeaseLost
            Somebody else has it.
        MarketplaceError
            The marketplace did not say that it is ours.
        """
        accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._live(spec, admitted, accepted))
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        await accepted

    def end(self, record: JobRecord, reason: str, *, give_back: bool = False) -> None:
        """End a job whose result nobody wants."""
        record.unwanted, record.give_back = reason, give_back
        self.cancel(record)

    def end_all(self) -> None:
        """End every job and give it back."""
        for record in self._common.book.running():
            self.end(record, STOPPED, give_back=True)

    @staticmethod
    def cancel(record: JobRecord) -> None:
        """Ask for the end of a job."""
        record.cancelled.set()
        record.executor.cancel(record.spec.job_id)

    async def wait(self, seconds: float) -> None:
        """Wait until nothing is left to be done, at most so long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    async def abandon(self) -> None:
        """Wait no longer for what is left to be done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._common.standing.poke()

    async def _live(
        self, spec: JobSpec, admitted: Admitted, accepted: asyncio.Future[None]
    ) -> None:
        """Live through one job; whoever waits for its acceptance hears of that."""
        try:
            record = await self._accept(spec, admitted)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            if not accepted.done():
                accepted.set_exception(error)
            return
        self._common.book.open(record)
        self._common.standing.poke()
        if not accepted.done():
            accepted.set_result(None)
        if self._common.standing.ending:
            self.end(record, STOPPED, give_back=True)
        try:
            await self._run(record)
        except Exception as error:  # noqa: BLE001 - a slot must not be lost for it
            self._common.trouble(f"Job {spec.job_id}: ", error)
            self._common.book.close(record, failure(spec.job_id, ExitReason.INTERNAL, str(error)))
            self._forsake(record.name)

    async def _accept(self, spec: JobSpec, admitted: Admitted) -> JobRecord:
        held = await self._hold(spec.job_id)
        answer = await self._claim(held)
        return JobRecord(
            spec,
            Lease(spec.job_id, answer.lease_id, answer.lease_expires_at),
            admitted.executor,
            admitted.why,
            accepted_at=now_iso(),
            isolation=admitted.isolation,
            agent=held.agent,
            name=held.name,
        )

    async def _hold(self, job_id: str) -> Envelope:
        """Make a place for the job's result, which also tells of the job should we be killed."""
        url, agent = self._client.url, self._client.fingerprint
        held = Envelope(new_name(job_id), url, agent, job_id)
        try:
            await self._common.threads.call(self._means.outbox.hold, held)
        except OSError as error:
            raise JobRefused(f"There is no room for its result ({error.strerror}).") from error
        return held

    async def _claim(self, held: Envelope) -> Accepted:
        """Accept; when no clear answer comes, ask again, and else have the job given back."""
        request_id, waits_s = uuid.uuid4().hex, iter(REPEATS_S)
        doubtful = False
        try:
            while True:
                try:
                    return await self._common.threads.call(self._ask_for, held, request_id)
                except _CLEAR:
                    raise
                except MarketplaceError:
                    doubtful = True
                    wait_s = next(waits_s, None)
                    if wait_s is None or self._common.standing.ending:
                        raise
                await asyncio.sleep(wait_s)
        except BaseException as error:
            if doubtful or not isinstance(error, _CLEAR):
                self._forsake(held.name)
            else:
                self._means.outbox.forget(held.name)
            raise

    def _forsake(self, name: str) -> None:
        """Have a job given back as if its provider had died."""
        self._means.outbox.leave(name)
        self._courier.look()

    def _ask_for(self, held: Envelope, request_id: str) -> Accepted:
        answer = self._client.accept(held.job_id, self._wallet_address(), request_id)
        with contextlib.suppress(OSError):  # its place says as much as it can, on a full disk
            self._means.outbox.taken(replace(held, lease_id=answer.lease_id))
        return answer

    async def _run(self, record: JobRecord) -> None:
        """Run one job, then see that its marketplace learns of it."""
        if self._area is None:
            await self._courier.give_back(record)
            return
        run = JobRun(record, self._means)
        result = await self._common.threads.call(run.run, self._area.path)
        self._common.book.close(record, result)
        if not self._common.book.running():
            self._common.standing.explain("It is looking for jobs.")
        self._common.standing.poke()
        if record.kept:
            removal = asyncio.create_task(self._remove_kept(record))
            self._removals.add(removal)
            removal.add_done_callback(self._removals.discard)
        if run.letter is not None:
            await self._courier.deliver(run.letter.envelope)
            return
        self._common.book.settle(record.spec.job_id, result)
        if record.give_back:
            await self._courier.give_back(record)
        else:
            await self._common.threads.call(self._means.outbox.forget, record.name)

    async def _remove_kept(self, record: JobRecord) -> None:
        """Remove what is kept of a job when its time is over."""
        await asyncio.sleep(self._means.kept.keep_s)
        await self._common.threads.call(self._means.kept.remove, record)
