"""The kernel's end of the supervisor: starts it, talks to it from many threads."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

from node3nb.errors import ExecutorError, SupervisorLost
from node3nb.supervisor.containers.orders import ContainerOrder
from node3nb.supervisor.frames import Frame, FrameReader, encode
from node3nb.supervisor.orders import Order

#: The program that is the supervisor.
PROGRAM = Path(__file__).parent / "supervisor" / "__main__.py"
#: The program that owns containers.
CONTAINERS_PROGRAM = PROGRAM.parent / "containers" / "__main__.py"
#: Seconds a supervisor gets to report for duty.
READY_S = 30.0
#: Seconds it gets to end its jobs and itself.
CLOSE_S = 15.0

_Inbox = queue.SimpleQueue[Frame | None]
#: The conversations of this process.
_living: weakref.WeakSet[SupervisorClient] = weakref.WeakSet()


class SupervisorClient:
    """One supervisor process and the conversation with it.

    Parameters
    ----------
    area
        Directory below which most workspaces will be.
    isolation
        Level to stay at or below; None takes the strongest there is.
    preload
        Modules the warm Python imports ahead.
    program
        What is started; by default `PROGRAM`.
    wanted
        What it is told first; None tells the three above.

    Raises
    ------
    SupervisorLost
        The process could not be started or did not report for duty.
    ExecutorError
        It found that no job runs here, at any level.
    """

    def __init__(
        self,
        area: str,
        isolation: str | None = None,
        preload: tuple[str, ...] = (),
        *,
        program: Path | None = None,
        wanted: Frame | None = None,
    ) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                self._command(program or PROGRAM, theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd="/",
                env={},
            )
        self._sending = threading.Lock()
        self._inboxes: dict[str, _Inbox] = {}
        self._lost = threading.Event()
        self._first: _Inbox = queue.SimpleQueue()
        _living.add(self)
        threading.Thread(target=self._listen, name="node3nb-supervisor", daemon=True).start()
        self._send(wanted or _wanted(area, isolation, preload))
        #: What the supervisor said when it reported for duty.
        self.ready = self._await_ready()

    @staticmethod
    def _command(program: Path, fd: int) -> list[str]:
        return [sys.executable, "-I", "-S", str(program), str(fd), str(os.getpid())]

    @property
    def alive(self) -> bool:
        """Whether the supervisor still answers."""
        return not self._lost.is_set()

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return int(self.ready["pid"])

    @contextlib.contextmanager
    def run(self, order: Order | ContainerOrder) -> Iterator[Iterator[Frame]]:
        """Have one job run; gives what happens to it, up to and with its end.

        Raises
        ------
        SupervisorLost
            The supervisor ended before the job.
        ExecutorError
            A job of this id runs already.
        """
        inbox: _Inbox = queue.SimpleQueue()
        if self._inboxes.setdefault(order.job, inbox) is not inbox:
            raise ExecutorError(f"job_id: {order.job} runs here already; wait for its end.")
        try:
            self._send({"op": "run", "order": order.to_frame()})
            yield self._events(inbox)
        finally:
            del self._inboxes[order.job]

    def cancel(self, job_id: str) -> None:
        """Ask for the end of one job; one that is not here is no error."""
        with contextlib.suppress(SupervisorLost):
            self._send({"op": "cancel", "job": job_id})

    def meet_engine(self, socket_path: str) -> None:
        """Have the containers of providers that live no more removed from an engine."""
        with contextlib.suppress(SupervisorLost):
            self._send({"op": "engine", "engine": socket_path})

    def close(self) -> None:
        """End the supervisor and with it every job, and wait until they are gone."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        if not self._ended() and self._kill_below_guard():
            self._ended()
        self._process.kill()
        self._process.wait()
        self._lost.wait(CLOSE_S)
        self._socket.close()

    def _ended(self) -> bool:
        """Wait for the end of our child; return whether it came in time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_S)
        return self._process.returncode is not None

    def _kill_below_guard(self) -> bool:
        """Kill a supervisor that was stopped, so that its guard ends what it leaves."""
        from node3nb.supervisor import proc  # noqa: PLC0415 - POSIX only

        below = proc.children(self._process.pid) if proc.MOUNTED else []
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(below)

    def _await_ready(self) -> Frame:
        try:
            ready = self._first.get(timeout=READY_S)
        except queue.Empty:
            ready = None
        if ready is None:
            self.close()
            raise SupervisorLost("The process that runs jobs did not start; run `node3nb doctor`.")
        if "failed" in ready:
            self.close()
            raise ExecutorError(f"No job can run here ({ready['failed']}); mend that first.")
        return ready

    def _send(self, frame: Frame) -> None:
        try:
            with self._sending:
                self._socket.sendall(encode(frame))
        except OSError as error:
            raise SupervisorLost from error

    def _events(self, inbox: _Inbox) -> Iterator[Frame]:
        while True:
            if self._lost.is_set() and inbox.empty():
                raise SupervisorLost
            frame = inbox.get()
            if frame is None:
                raise SupervisorLost
            yield frame
            if frame["event"] == "ended":
                return

    def _listen(self) -> None:
        """Hand every message to the job it is about, until the supervisor is gone."""
        reader = FrameReader()
        try:
            with contextlib.suppress(OSError):
                while data := self._socket.recv(1 << 16):
                    for frame in reader.feed(data):
                        self._deliver(frame)
        finally:
            self._lose()

    def _lose(self) -> None:
        """Tell everybody who waits that nothing will come any more."""
        self._lost.set()
        self._first.put(None)
        for inbox in list(self._inboxes.values()):
            inbox.put(None)

    def forget(self) -> None:
        """Let go of the supervisor in a process forked from the one that owns it."""
        self._lost.set()
        self._socket.close()

    def _deliver(self, frame: Frame) -> None:
        if frame["event"] == "ready":
            self._first.put(frame)
        elif inbox := self._inboxes.get(frame["job"]):
            inbox.put(frame)


def _wanted(area: str, isolation: str | None, preload: tuple[str, ...]) -> Frame:
    """Return what a supervisor is told first."""
    prefixes = (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix)
    return {
        "python": sys.executable,
        "prefixes": tuple(dict.fromkeys(prefixes)),
        "preload": preload,
        "area": area,
        "isolation": isolation and str(isolation),
    }


def _forget_in_fork() -> None:
    """Keep a process forked by the owner's cells from holding our sockets open."""
    for client in _living:
        client.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_fork)
