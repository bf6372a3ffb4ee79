"""DockerManager: runs jobs in containers of the engine this machine has, whichever that is."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator

from node3nb import accounts, command_line, config
from node3nb.config import EngineHints
from node3nb.containers import ordering
from node3nb.containers.engine import Engine
from node3nb.containers.finder import Finder, Found
from node3nb.containers.gpus import GpuGrant, Gpus
from node3nb.containers.images import Image, Images
from node3nb.containers.policy import ContainerPolicy, is_plain_python
from node3nb.containers.pulled import PulledImages
from node3nb.containers.references import parse
from node3nb.errors import JobRefused, TransferCancelled
from node3nb.executor import Availability, Reporter, too_little
from node3nb.files.workspace import Workspace
from node3nb.jobs import MIB, ExitReason, Isolation, JobResult, JobSpec, failure
from node3nb.supervisor.containers.engine_api import EngineAPI, EngineGone, EngineRefusal
from node3nb.supervisor.containers.orders import ContainerOrder
from node3nb.supervisor.frames import Frame
from node3nb.supervisor_client import CONTAINERS_PROGRAM, SupervisorClient

#: What an interpreter and the engine's own processes need in a container, with some room.
LEAST_MEMORY_BYTES = 32 * MIB
_CANCELLED = "The job was cancelled before it started."


class DockerManager:
    """Runs each job in a container of its own, which a separate process watches and removes.

    The engine is looked for when it is first needed, and again should it go or come.

    Parameters
    ----------
    policy
        The owner's choices; None takes the careful ones.
    hints
        Where engines may be; None takes what the environment says.
    prepare
        Whether a container waits for the next job of the kind last run.
    gpus
        The machine's GPUs; None looks for them.
    """

    name = "container"

    def __init__(
        self,
        policy: ContainerPolicy | None = None,
        *,
        hints: EngineHints | None = None,
        prepare: bool = True,
        gpus: Gpus | None = None,
    ) -> None:
        self._policy = policy or ContainerPolicy()
        self._finder = Finder(hints or config.engine_hints(), start_lima=self._policy.start_lima)
        self._prepare = prepare
        self._gpus = gpus or Gpus()
        self._lock = threading.Lock()
        self._client: SupervisorClient | None = None
        self._images: dict[str, Images] = {}
        self._met: set[str] = set()

    def find(self) -> Found:
        """Return the engine that is used, or why there is none."""
        return self._finder.find()

    def available(self, spec: JobSpec | None = None) -> Availability:
        """Return whether an engine runs jobs now, or this one: its image has to be had."""
        found = self.find()
        engine = found.engine
        if engine is None:
            return Availability(self.name, available=False, reason=found.reason)
        self._supervisor(engine.socket)
        image = self._policy.image(spec.image if spec else "")
        shortfall = self._shortfall(engine, spec, image) if spec else ""
        if shortfall:
            return Availability(self.name, available=False, reason=shortfall)
        reason = f"{found.reason} runs it in {image}." if spec else f"{found.reason} runs jobs."
        return Availability(
            self.name,
            available=True,
            reason=reason,
            isolation=Isolation.CONTAINER,
            memory_enforced_by="engine",
            layers=ordering.layers(engine),
            least_memory_bytes=LEAST_MEMORY_BYTES,
        )

    def run(self, spec: JobSpec, workspace: Workspace, reporter: Reporter) -> JobResult:
        """Run the command to its end, in a container of the job's image.

        Raises
        ------
        SupervisorLost
            The process that watches containers ended before the job did.
        """
        asked_ns = time.monotonic_ns()
        found = self.find()
        if found.engine is None:
            return self._lost(spec, found.reason)
        if spec.limits.memory_bytes < LEAST_MEMORY_BYTES:
            return failure(spec.job_id, ExitReason.REFUSED, too_little(LEAST_MEMORY_BYTES))
        try:
            with self._held(found.engine, spec, reporter) as granted:
                order = ordering.order(
                    spec,
                    workspace,
                    found.engine,
                    granted,
                    prepare=self._prepare and self._trusts(spec.image),
                    asked_ns=asked_ns,
                )
                ended = self._follow(order, reporter)
        except (EngineGone, EngineRefusal) as gone:
            return self._lost(spec, f"The container engine stopped answering ({gone}).")
        except (JobRefused, TransferCancelled, command_line.ScriptMissing) as error:
            return _not_run(spec, error)
        return accounts.result(
            spec,
            workspace,
            ended,
            executor=self.name,
            image=granted[0].digest,
            isolation=Isolation.CONTAINER,
            memory_enforced_by="engine",
            layers=ordering.layers(found.engine),
        )

    def cancel(self, job_id: str) -> None:
        """Ask for the end of one job; one that is not here is no error."""
        client = self._client
        if client is not None:
            client.cancel(job_id)

    def close(self) -> None:
        """End the watching process and with it every container."""
        with self._lock:
            client, self._client = self._client, None
            self._met.clear()
        if client is not None:
            client.close()

    def _follow(self, order: ContainerOrder, reporter: Reporter) -> Frame:
        """Have a job run and return its account."""
        client = self._supervisor(order.engine)
        with client.run(order) as events:
            if reporter.cancelled.is_set():
                client.cancel(order.job)
            ended = accounts.follow(events, reporter)
        if ended["reason"] == ExitReason.LOST:
            self._finder.doubt()
        return ended

    @contextlib.contextmanager
    def _held(
        self, engine: Engine, spec: JobSpec, reporter: Reporter
    ) -> Iterator[tuple[Image, GpuGrant]]:
        """Give a job its image and its GPUs for as long as it runs."""
        images = self._images_of(engine)
        name = self._policy.image(spec.image)
        with (
            self._gpus.lent(spec.requirements, engine) as grant,
            images.held(name, reporter.cancelled, reporter.note) as image,
        ):
            ordering.check_volumes(image)
            yield image, grant

    def _lost(self, spec: JobSpec, why: str) -> JobResult:
        self._finder.doubt()
        return failure(spec.job_id, ExitReason.LOST, f"{why} The job can be run again.")

    def _trusts(self, image: str) -> bool:
        """Whether an image is of the owner's choice: what waits is in nobody's charge."""
        return is_plain_python(image) or parse(image) == parse(self._policy.image(""))

    def _shortfall(self, engine: Engine, spec: JobSpec, image: str) -> str:
        """Return why the engine does not run a job, as a sentence; empty when it does."""
        try:
            return self._gpus.shortfall(spec.requirements) or self._images_of(engine).shortfall(
                image
            )
        except (EngineGone, EngineRefusal) as gone:
            self._finder.doubt()
            return f"the engine does not answer ({gone})."

    def _images_of(self, engine: Engine) -> Images:
        with self._lock:
            if engine.socket not in self._images:
                pulled = PulledImages(config.pulled_images_file(), engine.identity)
                api = EngineAPI(engine.socket)
                self._images[engine.socket] = Images(
                    api, self._policy, pulled, by_digest=engine.pulls_by_digest, disk=engine.disk
                )
            return self._images[engine.socket]

    def _supervisor(self, engine: str) -> SupervisorClient:
        """Return what owns containers; the first time it meets an engine, it sweeps there."""
        with self._lock:
            if self._client is not None and not self._client.alive:
                self._client.close()
                self._client = None
                self._met.clear()
            if self._client is None:
                self._client = _start_supervisor()
            if engine not in self._met:
                self._client.meet_engine(engine)
                self._met.add(engine)
            return self._client


def _not_run(spec: JobSpec, error: Exception) -> JobResult:
    """Return the result of a job that did not come as far as a container."""
    if isinstance(error, TransferCancelled):
        return failure(spec.job_id, ExitReason.CANCELLED, _CANCELLED)
    if isinstance(error, JobRefused):
        return failure(spec.job_id, ExitReason.REFUSED, str(error))
    return failure(spec.job_id, ExitReason.EXITED, str(error), exit_code=127)


def _start_supervisor() -> SupervisorClient:
    """Start the process that owns containers.

    Raises
    ------
    SupervisorLost
        It did not start.
    """
    state = config.state_dir()
    status = state.stat()
    home = f"{state}:{status.st_dev}:{status.st_ino}"
    wanted = {
        "provider": secrets.token_hex(6),
        "home": hashlib.sha256(home.encode()).hexdigest()[:16],
        "locks": str(config.container_locks_dir()),
    }
    return SupervisorClient("", program=CONTAINERS_PROGRAM, wanted=wanted)
