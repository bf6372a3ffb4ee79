"""Takes the kernel's orders for containers, gives each job a thread, ends all with the kernel."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
from pathlib import Path
from typing import Any

from node3nb.files.removal import remove_tree
from node3nb.supervisor.containers import ending, run
from node3nb.supervisor.containers.container import Container, Owner
from node3nb.supervisor.containers.engine_api import EngineAPI, EngineGone, EngineRefusal
from node3nb.supervisor.containers.hardened import Places
from node3nb.supervisor.containers.ledger import Ledger
from node3nb.supervisor.containers.mount_points import Misleading
from node3nb.supervisor.containers.orders import ContainerOrder
from node3nb.supervisor.containers.prepared import Waiting
from node3nb.supervisor.containers.run import Run
from node3nb.supervisor.frames import Frame, FrameReader, encode
from node3nb.supervisor.watch import Cause

#: Seconds between two looks at our parent where the kernel can't tell of its end.
PARENT_S = 0.25
#: Seconds that the threads get to notice that their jobs are over.
THREADS_S = 5.0
_CHUNK = 1 << 16


class ContainerSupervisor:
    """The one process that owns every container of a provider.

    Parameters
    ----------
    control
        The way to the kernel's process.
    owner
        Process id of that.
    wanted
        What it said first: `provider`, `home`, `locks`.
    """

    def __init__(self, control: socket.socket, owner: int, wanted: Frame) -> None:
        self._control = control
        self._owner = owner
        self._reader = FrameReader()
        self._sending = threading.Lock()
        self._runs: dict[str, Run] = {}
        self._threads: set[threading.Thread] = set()
        whose = Owner(wanted["provider"], wanted["home"])
        self._whose = whose
        self._ledger = Ledger(whose, wanted["locks"])
        self._waiting = Waiting(whose, self._ledger)

    def serve(self) -> None:
        """Run jobs until the kernel is gone, then remove all their containers and files."""
        self._tell({"event": "ready", "pid": os.getpid()})
        sources: list[Any] = [self._control]
        with contextlib.suppress(AttributeError, OSError):
            sources.append(os.pidfd_open(self._owner))
        patience_s = PARENT_S if len(sources) == 1 else None
        while os.getppid() == self._owner:
            ready, _, _ = select.select(sources, [], [], patience_s)
            if set(ready) - {self._control} or not self._hear(ready):
                break
        self._end_all()

    def _hear(self, ready: list[Any]) -> bool:
        """Obey what has come; return whether more may follow."""
        if not ready:
            return True
        try:
            data = self._control.recv(_CHUNK)
        except OSError:
            data = b""
        for frame in self._reader.feed(data):
            self._obey(frame)
        return bool(data)

    def _obey(self, frame: Frame) -> None:
        if frame["op"] == "run":
            order = ContainerOrder.from_frame(frame["order"])
            self._runs[order.job] = job = Run(order, self._tell)
            self._begin(self._live, job)
        elif frame["op"] == "engine":
            self._begin(self._ledger.sweep, frame["engine"])
        elif known := self._runs.get(frame["job"]):
            known.cancel()

    def _begin(self, work: Any, subject: object) -> None:
        thread = threading.Thread(target=work, args=(subject,), daemon=True)
        self._threads = {each for each in self._threads if each.is_alive()} | {thread}
        thread.start()

    def _tell(self, frame: Frame) -> None:
        with self._sending, contextlib.suppress(OSError):
            self._control.sendall(encode(frame))

    def _live(self, job: Run) -> None:
        """Live through one job, whatever goes wrong, and have a container wait for the next."""
        order = job.order
        try:
            told = self._perform(job)
        except Exception as error:  # noqa: BLE001 - the kernel waits for an end
            told = run.account(_fault(error))
        finally:
            self._runs.pop(order.job, None)
            job.close()
        self._tell({**told, "event": "ended", "job": order.job})
        if told["reason"] != "lost":
            self._waiting.prepare(order)

    def _perform(self, job: Run) -> Frame:
        """Run a job to its end and return its account; its container is gone, or will be."""
        order = job.order
        if job.unwanted:
            return run.account(_called_off())
        try:
            container = self._waiting.take(order)
            waits = container is not None
            container = container or self._make(order)
        except Misleading as misleading:
            return run.account(ending.refused(misleading.words))
        except EngineRefusal as refusal:
            return run.account(ending.refused_start(order, refusal.words))
        except EngineGone as gone:
            return run.account(run.lost(run.ENGINE_GONE.format(gone)))
        except OSError as error:
            return run.account(_fault(error))
        try:
            return job.run(container, waits=waits)
        finally:
            self._ledger.remove(container)

    def _make(self, order: ContainerOrder) -> Container:
        name = self._ledger.name(order.engine)
        places = Places(order.input, order.output, order.work)
        with self._ledger.kept(name):
            return Container.make(EngineAPI(order.engine), name, order, self._whose, places)

    def _end_all(self) -> None:
        """Leave every job, and leave nothing of it."""
        roots = [job.order.root for job in self._runs.values()]
        for job in list(self._runs.values()):
            job.abandon()
        self._waiting.close()
        self._ledger.remove_all()
        for thread in self._threads:
            thread.join(THREADS_S)
        self._ledger.remove_all()
        for root in roots:
            with contextlib.suppress(OSError):
                remove_tree(Path(root))
        self._ledger.close()


def _fault(error: Exception) -> Frame:
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    told = f"The job's container could not be watched ({why}); try later."
    return {"reason": "internal", "message": told, "exit_code": None, "signal": None}


def _called_off() -> Frame:
    cause = Cause("cancelled", "The job was cancelled.")
    return {"reason": cause.reason, "message": cause.message, "exit_code": None, "signal": None}


def main(fd: int, owner: int) -> None:
    """Serve the process `owner`, our parent, at the other end of the socket `fd`."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    control = socket.socket(fileno=fd)
    reader = FrameReader()
    frames: list[Frame] = []
    while not frames:
        data = control.recv(_CHUNK)
        if not data:
            return
        frames = list(reader.feed(data))
    try:
        supervisor = ContainerSupervisor(control, owner, frames[0])
    except OSError as error:
        control.sendall(encode({"event": "ready", "failed": error.strerror or str(error)}))
        return
    supervisor.serve()
