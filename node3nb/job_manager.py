"""JobManager: polls a marketplace, runs what it accepts, reports what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

from node3nb import config, hardware
from node3nb.agent.admission import Admission
from node3nb.agent.backoff import Backoff, jittered
from node3nb.agent.delivery import Delivery
from node3nb.docker_manager import DockerManager
from node3nb.agent.enrolment import Enrolment
from node3nb.errors import (
    AlreadyRunning,
    JobRefused,
    JobSpecError,
    LeaseLost,
    MarketplaceError,
    MarketplaceUnauthorized,
    Node3Error,
    UploadError,
)
from node3nb.executor import Executor
from node3nb.agent.heart import Heart
from node3nb.agent.job_book import JobBook
from node3nb.agent.job_run import JobRun
from node3nb.job_checks import printable
from node3nb.jobs import JobResult, JobSpec
from node3nb.agent.journal import Entry, Journal, now_iso
from node3nb.marketplace.client import MarketplaceClient
from node3nb.marketplace.protocol import Heartbeat, HeartbeatAnswer, read_job
from node3nb.native_executor import NativeExecutor
from node3nb.agent.outbox import Letter, Outbox
from node3nb.agent.polling import Polling
from node3nb.agent.records import JobRecord, Lease, ProviderState, Snapshot
from node3nb.agent.settings import Settings
from node3nb.agent.standing import Standing
from node3nb.agent.threads import DaemonThreads
from node3nb.transfers.transfer import Transfer
from node3nb.transfers.url_policy import UrlPolicy
from node3nb.files.workspace import WorkArea

#: Seconds between two tries to deliver what waits in the outbox, at the most.
DELIVERY_S = 120.0


class JobManager:
    """The agent of one marketplace on this machine.

    Parameters
    ----------
    marketplace_url
        Where jobs come from; `NODE3_MARKETPLACE`, or the local one, when None.
    api_key
        The agent's key; `NODE3_API_KEY`, a kept one, or a new registration when None.
    gpu_info
        The GPU as the protocol describes it; what is missing is found out.
    docker_manager
        A container engine, "auto" to look for one, None for native execution only.
    use_native_execution
        Whether jobs may run without a container.
    settings
        The owner's other choices.

    Raises
    ------
    ConfigError
        A setting can't be kept.
    """

    def __init__(
        self,
        marketplace_url: str | None = None,
        api_key: str | None = None,
        gpu_info: Mapping[str, Any] | None = None,
        docker_manager: Executor | Literal["auto"] | None = None,
        *,
        use_native_execution: bool = True,
        settings: Settings | None = None,
    ) -> None:
        self._settings = settings = settings or Settings()
        self._machine = machine = hardware.machine()
        url = config.marketplace_url(marketplace_url)
        self._client = MarketplaceClient(url, allow_insecure_http=settings.allow_insecure_http)
        gpu = hardware.gpu_info(machine.gpus) | dict(gpu_info or {})
        self._enrolment = Enrolment(self._client, api_key or "", settings.wallet_address, gpu)
        self._executors = _executors(docker_manager, native=use_native_execution)
        self._admission = Admission(machine, settings, self._executors, gpu["gpu_memory"])
        self._polling = Polling(self._client, settings, machine, gpu)
        self._slots = settings.slots(machine)
        self._journal = Journal()
        self._book = JobBook()
        self._standing = Standing()
        self._threads = DaemonThreads("node3nb-io")
        policy = UrlPolicy(url, settings.file_roots, settings.allow_private_hosts)
        self._transfer = Transfer(policy, max_bytes=settings.max_input_bytes)
        self._outbox = Outbox(config.outbox_dir())
        self._delivery = Delivery(self._client, self._transfer, self._outbox, self._journal)
        self._heart = Heart(
            self._client, self._threads, settings.heartbeat_s, self._beat, self._hear
        )
        self._defaults = settings.job_defaults(machine)
        self._undelivered = asyncio.Event()
        self._taken = 0
        self._area: WorkArea | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Serve the marketplace until somebody stops or drains this manager.

        Raises
        ------
        AlreadyRunning
            It serves already, or has served: make a new one.
        ConfigError
            Strangers' jobs would run at a level the owner has not allowed, or nothing here
            can run jobs.
        """
        if self._area is not None or self._standing.state is not ProviderState.STARTING:
            raise AlreadyRunning
        self._standing.attach(asyncio.get_running_loop())
        try:
            await self._start_up()
            await self._serve()
        finally:
            await self._shut_down()

    async def wait_until_serving(self) -> None:
        """Return once it serves, or has ended."""
        await self._standing.wait_until(
            lambda: self._standing.state is not ProviderState.STARTING
        )

    async def _start_up(self) -> None:
        self._area = await self._threads.call(WorkArea, config.work_dir())
        await self._threads.call(self._admission.check_executors, self._client.url)
        self._undelivered.set()
        if self._standing.state is ProviderState.STARTING:
            self._standing.move(ProviderState.RUNNING, "It is looking for jobs.")
        self._journal.note(f"Serving {self._client.url}, {self._slots} jobs at once.")

    async def _serve(self) -> None:
        loops = [
            asyncio.create_task(self._poll_forever()),
            asyncio.create_task(self._heart.beat_forever()),
            asyncio.create_task(self._deliver_forever()),
        ]
        over = asyncio.create_task(self._standing.wait_until(self._over))
        try:
            await _first_end(over, loops)
        finally:
            await _cancel([over, *loops])

    def _over(self) -> bool:
        state = self._standing.state
        return state is ProviderState.STOPPING or (
            state is ProviderState.DRAINING and not self._tasks
        )

    async def _shut_down(self) -> None:
        """End what runs, give it back, and let go of everything."""
        self._standing.move(ProviderState.STOPPING, "It gives back the jobs it has.")
        for record in self._book.running():
            record.give_back = True
            self._end(record, "The provider was stopped.")
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for executor in self._executors:
            await self._threads.call(executor.close)
        if self._area is not None:
            await self._threads.call(self._area.close)
        self._threads.close()
        self._standing.move(ProviderState.STOPPED, "It was stopped.")
        self._journal.note("Stopped.")

    async def _poll_forever(self) -> None:
        backoff = Backoff()
        while True:
            await self._standing.wait_until(self._has_room)
            try:
                pause_s = await self._poll()
                backoff.succeeded()
            except MarketplaceError as error:
                pause_s = backoff.failed(error)
                self._note_trouble(error)
            await asyncio.sleep(pause_s)

    def _has_room(self) -> bool:
        running = len(self._book.running())
        return self._standing.state is ProviderState.RUNNING and running < self._slots

    def _note_trouble(self, error: MarketplaceError) -> None:
        if isinstance(error, MarketplaceUnauthorized) and self._enrolment.renew():
            self._journal.note("The kept API key is not accepted any more; registering anew.")
        self._journal.trouble(str(error))
        self._standing.explain(str(error))

    async def _poll(self) -> float:
        """Ask for jobs and take what fits; return the seconds to wait before the next time."""
        await self._threads.call(self._enrolment.ensure)
        free = self._slots - len(self._book.running())
        has = self._admission.offering()
        offers = await self._threads.call(self._polling.poll, free, has.isolation, has.executors)
        if not offers.jobs:
            self._standing.explain("The marketplace has no job for this machine now.")
            return 0.0 if offers.waited else jittered(self._settings.poll_s)
        taken = [await self._consider(wire) for wire in offers.jobs]
        return 0.0 if any(taken) else jittered(self._settings.poll_s)

    async def _consider(self, wire: object) -> bool:
        """Take one offered job if it can be run here; return whether it was taken."""
        if not self._has_room():
            return False
        try:
            spec = read_job(wire, self._defaults)
            record = await self._accept(spec)
        except (JobSpecError, JobRefused, LeaseLost) as error:
            self._refuse(wire, error)
            return False
        self._book.open(record)
        task = asyncio.create_task(self._run(record))
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        self._standing.explain("It runs jobs.")
        self._taken += 1
        if self._taken == self._settings.max_jobs:
            self.drain()
        return True

    async def _accept(self, spec: JobSpec) -> JobRecord:
        running = self._book.running()
        if any(record.spec.job_id == spec.job_id for record in running):
            raise JobRefused("It runs here already.")
        specs = [record.spec for record in running]
        choice = await self._threads.call(self._admission.admit, spec, specs)
        wallet = self._enrolment.wallet_address
        accepted = await self._threads.call(self._client.accept, spec.job_id, wallet)
        lease = Lease(spec.job_id, accepted.lease_id, accepted.lease_expires_at)
        return JobRecord(spec, lease, choice.executor, choice.why, accepted_at=now_iso())

    def _refuse(self, wire: object, error: Node3Error) -> None:
        job_id = wire.get("job_id") if isinstance(wire, dict) else None
        text = f"Job {printable(job_id)} was not taken: {error}"
        self._journal.note(text)
        self._standing.explain(text)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._standing.poke()

    async def _run(self, record: JobRecord) -> None:
        """Run one job, then see that its marketplace learns of it."""
        run = JobRun(record, self._client.url, self._transfer, self._outbox, self._journal)
        assert self._area is not None
        result = await self._threads.call(run.run, self._area.path)
        self._book.close(record, result)
        self._standing.poke()
        if run.letter is not None:
            await self._deliver(run.letter)
        elif record.give_back:
            await self._give_back(record)

    async def _deliver(self, letter: Letter) -> Node3Error | None:
        """Deliver one letter; return why it has to be tried again, if it has."""
        try:
            await self._threads.call(self._delivery.deliver, letter)
        except (MarketplaceError, UploadError) as error:
            self._journal.trouble(f"The result of job {letter.job_id} waits: {error}")
            self._undelivered.set()
            return error
        return None

    async def _deliver_forever(self) -> None:
        """Deliver what an earlier provider, or a dead network, has left in the outbox."""
        backoff = Backoff(DELIVERY_S)
        while True:
            await self._undelivered.wait()
            self._undelivered.clear()
            letters = await self._threads.call(self._delivery.waiting)
            failures = [await self._deliver(letter) for letter in letters]
            worst = next((error for error in failures if error is not None), None)
            if worst is None:
                backoff.succeeded()
            else:
                await asyncio.sleep(backoff.failed(worst))

    async def _give_back(self, record: JobRecord) -> None:
        try:
            await self._threads.call(self._delivery.give_back, record.lease, record.unwanted)
        except MarketplaceError as error:
            self._journal.trouble(f"Job {record.spec.job_id} was not given back: {error}")

    def _end(self, record: JobRecord, reason: str) -> None:
        """End a job whose result nobody wants."""
        record.unwanted = reason
        self.cancel(record.spec.job_id)

    def _beat(self) -> Heartbeat:
        leases = [record.lease for record in self._book.running()]
        held = {lease.job_id: lease.lease_id for lease in leases if lease.lease_id}
        return Heartbeat(jobs=held | self._delivery.leases(), state=self._standing.state)

    def _hear(self, answer: HeartbeatAnswer) -> None:
        for job_id in answer.cancel:
            self.cancel(job_id)
        for record in self._book.running():
            if record.spec.job_id in answer.unknown:
                self._end(record, "The marketplace has given it to somebody else.")

    def pause(self) -> None:
        """Take no more jobs; those that run go on."""
        self._standing.move(ProviderState.PAUSED, "You paused it.")

    def resume(self) -> None:
        """Take jobs again."""
        self._standing.move(ProviderState.RUNNING, "It is looking for jobs.")

    def drain(self) -> None:
        """Take no more jobs, and stop when those that run are done."""
        self._standing.move(ProviderState.DRAINING, "It finishes its jobs, then stops.")

    def stop(self) -> None:
        """End what runs, give it back, and stop."""
        if self._standing.state is not ProviderState.STOPPED:
            self._standing.move(ProviderState.STOPPING, "It gives back the jobs it has.")

    def cancel(self, job_id: str) -> bool:
        """Ask for the end of one running job; return whether there is one of that id."""
        for record in self._book.running():
            if record.spec.job_id == job_id:
                record.cancelled.set()
                record.executor.cancel(job_id)
                return True
        return False

    def logs(self, job_id: str) -> tuple[str, str] | None:
        """Return what a job has printed so far: standard output and error; None for no job."""
        return self._book.logs(job_id)

    def result(self, job_id: str) -> JobResult | None:
        """Return how a job ended; None while it runs, or when there is none."""
        record = self._book.find(job_id)
        return record.result if record else None

    def events(self) -> tuple[Entry, ...]:
        """Return what has happened, oldest first."""
        return self._journal.entries()

    def snapshot(self) -> Snapshot:
        """Return how things are now."""
        completed, failed, earned = self._book.totals()
        has = self._admission.offering()
        return Snapshot(
            state=self._standing.state,
            reason=self._standing.reason,
            marketplace_url=self._client.url,
            agent_id=self._enrolment.agent_id,
            slots=self._slots,
            executors=tuple(has.executors),
            isolation=has.isolation,
            jobs=self._book.summaries(),
            completed=completed,
            failed=failed,
            earned=earned,
            undelivered=self._outbox.count(),
        )


def _executors(engine: Executor | Literal["auto"] | None, *, native: bool) -> tuple[Executor, ...]:
    """Return the executors in the order they are tried: a container first."""
    container = DockerManager() if engine == "auto" else engine
    found: list[Executor] = [] if container is None else [container]
    if native:
        found.append(NativeExecutor())
    return tuple(found)


async def _first_end(over: asyncio.Task[None], loops: list[asyncio.Task[None]]) -> None:
    """Return when it is over; raise what ended a loop that should never end by itself."""
    pending = {over, *loops}
    while not over.done():
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
