"""Where the jobs of a provider run: taken, run, delivered or given back, each in a task."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

from node3nb.agent.admission import Admitted
from node3nb.agent.common import Common
from node3nb.agent.courier import Courier
from node3nb.agent.job_run import JobRun, Means
from node3nb.agent.journal import now_iso
from node3nb.agent.letter import Letter, new_name
from node3nb.agent.records import JobRecord, Lease
from node3nb.config import work_dir
from node3nb.errors import (
    CallNotOffered,
    LeaseLost,
    MarketplaceBusy,
    MarketplaceError,
    MarketplaceRejected,
    MarketplaceUnauthorized,
)
from node3nb.files.workspace import WorkArea
from node3nb.jobs import ExitReason, JobSpec, failure
from node3nb.marketplace.client import MarketplaceClient
from node3nb.marketplace.protocol import Accepted

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

    @property
    def empty(self) -> bool:
        """Whether nothing is left to be done for any job."""
        return not self._tasks

    async def open(self) -> None:
        """Make the directory of the workspaces."""
        self._area = await self._common.threads.call(WorkArea, work_dir())

    async def close(self) -> None:
        """Remove the directory of the workspaces."""
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
        if not accepted.done():
            accepted.set_result(None)
        if self._common.standing.ending:
            self.end(record, STOPPED, give_back=True)
        try:
            await self._run(record)
        except Exception as error:  # noqa: BLE001 - a slot must not be lost for it
            self._common.trouble(f"Job {spec.job_id}: ", error)
            self._common.book.close(record, failure(spec.job_id, ExitReason.INTERNAL, str(error)))

    async def _accept(self, spec: JobSpec, admitted: Admitted) -> JobRecord:
        answer = await self._claim(spec.job_id)
        return JobRecord(
            spec,
            Lease(spec.job_id, answer.lease_id, answer.lease_expires_at),
            admitted.executor,
            admitted.why,
            accepted_at=now_iso(),
            isolation=admitted.isolation,
            agent=self._client.fingerprint,
        )

    async def _claim(self, job_id: str) -> Accepted:
        """Accept; when no clear answer comes, ask again, and else give the job back unseen."""
        request_id, waits_s = uuid.uuid4().hex, iter(REPEATS_S)
        doubtful = False
        try:
            while True:
                try:
                    return await self._common.threads.call(
                        self._client.accept, job_id, self._wallet_address(), request_id
                    )
                except _CLEAR:
                    raise
                except MarketplaceError:
                    doubtful = True
                    wait_s = next(waits_s, None)
                    if wait_s is None or self._common.standing.ending:
                        raise
                await asyncio.sleep(wait_s)
        except MarketplaceError:
            if doubtful:
                await self._disclaim(job_id)
            raise

    async def _disclaim(self, job_id: str) -> None:
        """Report as lost what may have been given to us in an answer that never came."""
        told = "The provider does not know whether the job was given to it."
        letter = Letter(
            name=new_name(job_id),
            marketplace_url=self._client.url,
            agent=self._client.fingerprint,
            job_id=job_id,
            lease_id=None,
            output_url="",
            ended_at=now_iso(),
            result=failure(job_id, ExitReason.LOST, told),
        )
        await self._common.threads.call(self._means.outbox.put, letter, None)
        self._means.outbox.release(letter)
        self._courier.look()

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
        if run.letter is not None:
            await self._courier.deliver(run.letter)
            return
        self._common.book.settle(record.spec.job_id, result)
        if record.give_back:
            await self._courier.give_back(record)
