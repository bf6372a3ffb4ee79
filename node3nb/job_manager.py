"""JobManager: polls a marketplace, runs what it accepts, reports what became of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Mapping
from typing import Any

from node3nb import config, hardware
from node3nb.agent import tasks
from node3nb.agent.admission import Admission
from node3nb.agent.common import Common
from node3nb.agent.courier import Courier
from node3nb.agent.delivery import Delivery
from node3nb.agent.earnings import Earnings
from node3nb.agent.enrolment import Enrolment
from node3nb.agent.executors import Engine, executors
from node3nb.agent.gpu import described
from node3nb.agent.heart import Heart
from node3nb.agent.intake import Intake
from node3nb.agent.job_run import Means
from node3nb.agent.journal import Entry
from node3nb.agent.kept import Kept
from node3nb.agent.ledger import Ledger
from node3nb.agent.outbox import Outbox
from node3nb.agent.overview import Overview
from node3nb.agent.polling import Polling
from node3nb.agent.quota import LiveQuota
from node3nb.agent.records import ProviderState, Snapshot
from node3nb.agent.room import DiskRoom
from node3nb.agent.rounds import Rounds
from node3nb.agent.settings import Settings
from node3nb.agent.workshop import Workshop
from node3nb.errors import AlreadyRunning, NotRunning
from node3nb.jobs import JobResult
from node3nb.marketplace.client.agent_client import AgentClient
from node3nb.marketplace.wire.protocol import Heartbeat, HeartbeatAnswer
from node3nb.secret_text import Secret
from node3nb.transfers.transfer import Transfer
from node3nb.transfers.url_policy import UrlPolicy

#: Seconds that jobs get to end, the stopping ladder included, and to be given back.
ENDING_S = 15.0
#: Seconds that calls get which are still under way after that.
LAST_CALLS_S = 5.0
#: Why a provider is over that nothing has gone wrong with.
STOPPED = "It was stopped."


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
        docker_manager: Engine = None,
        *,
        use_native_execution: bool = True,
        settings: Settings | None = None,
    ) -> None:
        api_key, settings = Secret(api_key or ""), settings or Settings()
        machine = hardware.machine()
        gpu = described(machine.gpus, gpu_info or {})
        url = config.marketplace_url(marketplace_url)
        self._client = client = AgentClient(url, allow_insecure_http=settings.allow_insecure_http)
        self._common = common = Common()
        self._enrolment = Enrolment(client, api_key, settings, gpu)
        self._executors = executors(docker_manager, use_native_execution, settings)
        gpus = max(len(machine.gpus), int(gpu["gpu_memory"] > 0))
        #: What all jobs together may have of this machine; `set` changes it, while they run too.
        self.quota = quota = LiveQuota(settings, machine, gpus, common.standing.poke)
        self._admission = Admission(quota, settings, self._executors, gpu["gpu_memory"])
        self._closing = closing = threading.Event()
        self._outbox = outbox = Outbox(config.outbox_dir())
        transfer = _transfer(client.url, settings)
        earnings = Earnings(Ledger(config.ledger_file()), client.url, common.journal)
        self._delivery = Delivery(client, transfer, self._outbox, earnings, self._closing)
        self._courier = Courier(common, self._delivery, self._outbox)
        kept = Kept(settings.keep_s, common.journal)
        room = DiskRoom(settings.min_free_bytes, kept)
        #: Says which disk is too full for more jobs; empty when none is.
        self.disk_shortage = room.shortage
        self._overview = Overview(
            client.url, common, self._enrolment, self._admission, quota, earnings, self._outbox
        )
        self._heart = self._new_heart(settings.heartbeat_s)
        self._rounds = rounds = Rounds(common, client, self._heart.soon)
        means = Means(client.url, transfer, outbox, common.journal, closing, kept, rounds.finish)
        self._workshop = Workshop(
            common, client, self._courier, means, lambda: self._enrolment.wallet_address
        )
        self._intake = Intake(
            common,
            settings,
            enrolment=self._enrolment,
            polling=Polling(client, settings, quota, gpu),
            admission=self._admission,
            workshop=self._workshop,
            courier=self._courier,
            outbox=self._outbox,
            quota=quota,
            room=room,
        )
        self._begun = False

    def _new_heart(self, interval_s: float) -> Heart:
        return Heart(
            self._client,
            self._common.threads,
            interval_s=interval_s,
            say=self._beat,
            hear=self._hear,
            ache=lambda error: self._common.trouble("", error),
        )

    async def start(self) -> None:
        """Serve the marketplace until somebody stops or drains this manager.

        A cancellation ends it like `stop`: what runs is given back first.

        Raises
        ------
        AlreadyRunning
            It serves already, or has served: make a new one.
        ConfigError
            Strangers' jobs would run at a level the owner has not allowed, or nothing here
            can run jobs.
        """
        if self._begun:
            raise AlreadyRunning
        self._begun = True
        self._common.standing.attach(asyncio.get_running_loop())
        over = STOPPED
        try:
            await self._start_up()
            await self._serve()
        except Exception as error:
            over = f"It ended: {error}"
            self._common.trouble("", error)
            raise
        finally:
            await tasks.to_the_end(self._shut_down(over))

    async def wait_until_serving(self) -> bool:
        """Return once it serves, or will not; whether it does."""
        standing = self._common.standing
        await standing.wait_until(lambda: standing.state is not ProviderState.STARTING)
        return not standing.ending

    async def _start_up(self) -> None:
        await self._common.threads.call(DiskRoom.check_start)
        await self._common.threads.call(self._admission.check_executors, self._client.url)
        await self._workshop.open()
        self._courier.look()
        if self._common.standing.state is ProviderState.STARTING:
            self._common.standing.move(ProviderState.RUNNING, "It is looking for jobs.")
        slots = self.quota.now.slots
        self._common.journal.note(f"Serving {self._client.url}, up to {slots} at once.")

    async def _serve(self) -> None:
        loops = [
            asyncio.create_task(self._intake.poll_forever()),
            asyncio.create_task(self._beat_forever()),
            asyncio.create_task(self._courier.deliver_forever()),
            asyncio.create_task(self._rounds.walk_forever()),
        ]
        over = asyncio.create_task(self._common.standing.wait_until(self._over))
        try:
            await tasks.first_end(over, loops)
        finally:
            await tasks.cancel([over, *loops])

    async def _beat_forever(self) -> None:
        await self._common.standing.wait_until(self._enrolment.known)
        await self._heart.beat_forever()

    def _over(self) -> bool:
        standing = self._common.standing
        drained = standing.state is ProviderState.DRAINING and self._workshop.empty
        return standing.ending or drained

    async def _shut_down(self, over: str) -> None:
        """End what runs, give it back, and let go of everything, whatever goes wrong with it."""
        standing, threads = self._common.standing, self._common.threads
        if not standing.ending:
            standing.move(ProviderState.STOPPING, "It gives back the jobs it has.")
        self._closing.set()
        self._client.hang_up_polls()
        self._workshop.end_all()
        await self._workshop.wait(ENDING_S)
        for executor in self._executors:
            await self._tried(threads.call(executor.close))
        await self._workshop.wait(LAST_CALLS_S)
        self._client.hang_up()
        await self._workshop.abandon()
        await self._tried(self._workshop.close())
        self._outbox.close()
        threads.close()
        self._common.journal.note("Stopped.")
        standing.move(ProviderState.STOPPED, over)

    async def _tried(self, step: Awaitable[None]) -> None:
        try:
            await step
        except Exception as error:  # noqa: BLE001 - the other steps have to be taken
            self._common.trouble("At the end: ", error)

    def _beat(self) -> Heartbeat:
        leases = [record.lease for record in self._common.book.running()]
        held = {lease.job_id: lease.lease_id for lease in leases if lease.lease_id}
        return Heartbeat(jobs=self._delivery.leases() | held, state=self._common.standing.state)

    def _hear(self, answer: HeartbeatAnswer) -> None:
        for record in self._common.book.running():
            if record.spec.job_id in answer.cancel:
                self._workshop.cancel(record)
            elif record.spec.job_id in answer.unknown:
                self._workshop.end(record, "The marketplace has given it to somebody else.")

    def pause(self) -> None:
        """Take no more jobs; those that run go on."""
        self._move(ProviderState.PAUSED, "You paused it.")

    def resume(self) -> None:
        """Take jobs again."""
        self._move(ProviderState.RUNNING, "It is looking for jobs.")

    def drain(self) -> None:
        """Take no more jobs, and stop when those that run are done."""
        self._move(ProviderState.DRAINING, "It finishes its jobs, then stops.")

    def _move(self, state: ProviderState, reason: str) -> None:
        if self._common.standing.state is ProviderState.STARTING:
            raise NotRunning
        self._common.standing.move(state, reason)

    def stop(self) -> None:
        """End what runs, give it back, and stop."""
        if not self._common.standing.ending:
            self._common.standing.move(ProviderState.STOPPING, "It gives back the jobs it has.")

    def cancel(self, job_id: str) -> bool:
        """Ask for the end of one running job; return whether there is one of that id.

        It is reported as cancelled, and not taken again by this manager.
        """
        record = self._common.book.find(job_id)
        if record is None or record.result is not None:
            return False
        record.owner_cancelled = True
        self._workshop.cancel(record)
        return True

    def logs(self, job_id: str) -> tuple[str, str] | None:
        """Return what a job has printed so far: standard output and error; None for no job."""
        return self._common.book.logs(job_id)

    def result(self, job_id: str) -> JobResult | None:
        """Return how a job ended; None while it runs, or when there is none."""
        record = self._common.book.find(job_id)
        return record.result if record else None

    def events(self) -> tuple[Entry, ...]:
        """Return what has happened, oldest first."""
        return self._common.journal.entries()

    def snapshot(self, newest: int | None = None) -> Snapshot:
        """Return how things are now, with all jobs or so many of the newest."""
        return self._overview.snapshot(newest)


def _transfer(marketplace_url: str, settings: Settings) -> Transfer:
    policy = UrlPolicy(
        marketplace_url, settings.file_roots, settings.allow_private_hosts, config.stores()
    )
    return Transfer(policy, max_bytes=settings.max_input_bytes)
