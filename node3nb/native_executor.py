"""NativeExecutor: runs jobs without a container, through the supervisor."""

from __future__ import annotations

import math
import os
import threading
import time

from node3nb import accounts, command_line, config
from node3nb.errors import IsolationError, UnsupportedPlatformError
from node3nb.executor import Availability, Reporter, too_little
from node3nb.files.disk import shortage
from node3nb.files.workspace import Workspace
from node3nb.jobs import (
    MIB,
    ExitReason,
    Isolation,
    JobResult,
    JobSpec,
    Start,
    failure,
)
from node3nb.supervisor.disk import LEAST_ROOM_BYTES
from node3nb.supervisor.orders import Order
from node3nb.supervisor.sandbox.plan import gpu_devices
from node3nb.supervisor_client import SupervisorClient

#: What a Python interpreter needs to start, with some room: 23 MiB of data were measured.
LEAST_MEMORY_BYTES = 32 * MIB


class NativeExecutor:
    """Runs each job as a process tree of this machine, under a supervisor that keeps its limits.

    The supervisor starts when it is first needed, again should it be lost, and lives until
    `close` or until this process ends, however it ends.

    Parameters
    ----------
    isolation
        Level to run jobs at; None takes the strongest there is.
    preload
        Modules a waiting Python imports ahead, for jobs that need them.
    """

    name = "native"

    def __init__(self, isolation: Isolation | None = None, preload: tuple[str, ...] = ()) -> None:
        self._isolation = isolation
        self._preload = preload
        self._lock = threading.Lock()
        self._client: SupervisorClient | None = None

    def available(self, spec: JobSpec | None = None) -> Availability:
        """Return whether native jobs run here, and at which level."""
        del spec
        if not _supported():
            return Availability(self.name, available=False, reason=str(UnsupportedPlatformError()))
        full = self._client is None and shortage((config.work_dir(),), LEAST_ROOM_BYTES)
        if full:
            return Availability(self.name, available=False, reason=full)
        ready = self._supervisor().ready
        return Availability(
            self.name,
            available=True,
            reason=f"jobs run as processes of this machine at level {ready['isolation']}.",
            isolation=Isolation(ready["isolation"]),
            memory_enforced_by=ready["memory_enforced_by"],
            layers=tuple(ready["layers"]),
            least_memory_bytes=LEAST_MEMORY_BYTES,
        )

    def missing_layers(self) -> dict[str, str]:
        """Return each layer of protection that is off here, with the reason."""
        return dict(self._supervisor().ready["missing"])

    @property
    def landlock(self) -> int:
        """Version of Landlock the kernel has; 0 for none."""
        return int(self._supervisor().ready["landlock"])

    def run(self, spec: JobSpec, workspace: Workspace, reporter: Reporter) -> JobResult:
        """Run the command to its end.

        Raises
        ------
        UnsupportedPlatformError
            This system has no native execution.
        SupervisorLost
            The supervisor ended before the job did.
        """
        asked_ns = time.monotonic_ns()
        if not _supported():
            raise UnsupportedPlatformError
        if spec.limits.memory_bytes < LEAST_MEMORY_BYTES:
            return failure(spec.job_id, ExitReason.REFUSED, too_little(LEAST_MEMORY_BYTES))
        client = self._supervisor()
        mounted = client.ready["isolation"] == Isolation.NAMESPACES
        view = command_line.View.of(workspace, mounted=mounted)
        try:
            argv = command_line.resolve(spec, workspace, view)
        except command_line.ScriptMissing as missing:
            return failure(spec.job_id, ExitReason.EXITED, str(missing), exit_code=127)
        env = command_line.environment(spec, view)
        with client.run(_order(spec, workspace, (argv, env), asked_ns)) as events:
            if reporter.cancelled.is_set():
                client.cancel(spec.job_id)
            ended = accounts.follow(events, reporter)
        return accounts.result(
            spec,
            workspace,
            ended,
            executor=self.name,
            isolation=Isolation(client.ready["isolation"]),
            memory_enforced_by=client.ready["memory_enforced_by"],
            layers=tuple(ended.get("layers", ())),
        )

    def cancel(self, job_id: str) -> None:
        """Ask for the end of one job; one that is not here is no error."""
        client = self._client
        if client is not None:
            client.cancel(job_id)

    def close(self) -> None:
        """End the supervisor and with it every job."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _supervisor(self) -> SupervisorClient:
        with self._lock:
            if self._client is not None and not self._client.alive:
                self._client.close()
                self._client = None
            if self._client is None:
                self._client = self._start()
            return self._client

    def _start(self) -> SupervisorClient:
        """Start a supervisor.

        Raises
        ------
        IsolationError
            This machine does not reach the level that was asked for.
        """
        client = SupervisorClient(str(config.work_dir()), self._isolation, self._preload)
        level = Isolation(client.ready["isolation"])
        if self._isolation is None or level is self._isolation:
            return client
        client.close()
        why = client.ready["missing"].get(self._isolation, "it is not built here")
        raise IsolationError(
            f"Isolation {self._isolation} can't be had here: {why}; ask for {level} or less."
        )


def _supported() -> bool:
    return hasattr(os, "fork")


def _order(
    spec: JobSpec,
    workspace: Workspace,
    command: tuple[tuple[str, ...], dict[str, str]],
    asked_ns: int,
) -> Order:
    limits = spec.limits
    argv, env = command
    return Order(
        job=spec.job_id,
        argv=argv,
        env=env,
        root=str(workspace.root),
        area=_area(workspace),
        input=str(workspace.input),
        output=str(workspace.output),
        work=str(workspace.job),
        tmp=str(workspace.tmp),
        log=str(workspace.log),
        network=str(spec.requirements.network),
        devices=gpu_devices() if spec.requirements.gpus else (),
        warm=spec.start is Start.AUTO,
        cores=math.ceil(limits.cpus),
        memory_bytes=limits.memory_bytes,
        disk_bytes=limits.disk_bytes,
        disk_files=limits.disk_files,
        timeout_s=limits.timeout_s,
        processes=limits.processes,
        log_bytes=limits.log_bytes,
        grace_s=limits.grace_s,
        asked_ns=asked_ns,
    )


def _area(workspace: Workspace) -> str:
    """Return the directory below which the next jobs will have theirs too, as far as is known."""
    usual = config.work_dir()
    return str(usual if usual in workspace.root.parents else workspace.root.parent)
