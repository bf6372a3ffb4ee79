"""The supervisor's end of the warm Python: starts it, asks it for sandboxes, renews it."""

from __future__ import annotations

import errno
import marshal
import os
import select
import socket
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from node3nb.supervisor.berth import Blueprint
from node3nb.supervisor.sandbox.setup import Setup
from node3nb.supervisor.sandbox.template import Template

#: The program that is the warm Python.
PROGRAM = str(Path(__file__).parent / "__main__.py")
#: The descriptor it talks to us by.
SOCKET = 3
#: Sandboxes one warm Python bears: all its jobs share its hash seed and the layout of its memory,
#: and its start costs as much as those of ten of them.
MOST_BORN = 256
#: Seconds it gets to bear one, which takes it less than a thousandth of that.
PATIENCE_S = 5.0
#: What it is asked for: to see what jobs see, a sandbox, a keeper that builds one.
VIEW, SANDBOX, KEEPER = "view", "sandbox", "keeper"
#: Its whole environment: what a job's own Python would see, no home to find packages in, and
#: functions looked up once by it (ld.so(8)), not again in every fork.
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/nonexistent",
    "LD_BIND_NOW": "1",
}


class _Warm:
    """One warm Python."""

    def __init__(self, python: str, preload: tuple[str, ...]) -> None:
        self.born = 0
        self.view: Template | None = None
        self.asked: deque[Birth] = deque()
        self.broken = False
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.pid = os.posix_spawn(
                python,
                [python, PROGRAM, str(os.getpid()), *preload],
                ENVIRONMENT,
                file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), SOCKET)],
                setsid=True,
            )

    def is_ready(self) -> bool:
        """Read whether it has imported what it should; False when it has ended instead."""
        try:
            return bool(self.socket.recv(64, socket.MSG_DONTWAIT))
        except OSError:
            return False

    def ask(self, request: dict[str, Any], fds: Sequence[int]) -> None:
        """Send a request.

        Raises
        ------
        OSError
            It has ended.
        """
        socket.send_fds(self.socket, [marshal.dumps(request)], fds)

    def hear(self) -> None:
        """Hear about the next of the sandboxes it was asked for."""
        waited = select.select([self.socket.fileno()], [], [], PATIENCE_S)[0]
        data = self.socket.recv(64) if waited else b""
        answer = int(marshal.loads(data)) if data else -errno.ESRCH  # noqa: S302 - our own child's
        self.broken = self.broken or answer < 0
        self.asked.popleft().answer = answer

    def close(self) -> None:
        """Have it end once it has done what it was asked for."""
        while self.asked:
            self.hear()
        self.socket.close()


class Birth:
    """A sandbox that a warm Python was asked for.

    Attributes
    ----------
    answer
        Its first process, or an errno below zero; None before that is heard.
    """

    def __init__(self, warm: _Warm) -> None:
        self._warm = warm
        self.answer: int | None = None

    def first(self) -> int:
        """Return the first process; waits for it if it has to.

        Raises
        ------
        OSError
            There is none.
        """
        while self.answer is None:
            self._warm.hear()
        if self.answer < 0:
            raise OSError(-self.answer, os.strerror(-self.answer))
        return self.answer


class Nursery:
    """One warm Python after the other.

    Parameters
    ----------
    python
        The interpreter.
    preload
        Modules it imports before it bears the first keeper.
    """

    def __init__(self, python: str, preload: tuple[str, ...]) -> None:
        self._python = python
        self._preload = preload
        self._current: _Warm | None = None
        self._next: _Warm | None = _Warm(python, preload)
        self._ended: list[int] = []

    @property
    def ready(self) -> bool:
        """Whether it can bear keepers."""
        return self._current is not None

    @property
    def pids(self) -> set[int]:
        """Process ids of the warm Pythons."""
        living = [warm.pid for warm in (self._current, self._next) if warm is not None]
        return {*living, *self._ended}

    @property
    def leaving(self) -> bool:
        """Whether some were let go and are not buried yet."""
        return bool(self._ended)

    @property
    def expecting(self) -> int | None:
        """The descriptor that tells when the next warm Python is ready; None when none is due."""
        return None if self._next is None else self._next.socket.fileno()

    def hear(self) -> bool:
        """Take the next warm Python into service, or give it up; return whether there is one."""
        warm, self._next = self._next, None
        if warm is not None and warm.is_ready():
            self._retire(self._current)
            self._current = warm
        else:
            self._retire(warm)
        return self.ready

    def bear(self, blueprint: Blueprint, channel: socket.socket) -> bool:
        """Have a keeper with this channel forked; return whether somebody could be asked."""
        warm = self._current
        if warm is None:
            return False
        request = {"op": KEEPER, "blueprint": blueprint.to_frame()}
        try:
            warm.ask(request, [channel.fileno()])
        except OSError:
            self._give_up(warm)
        self._count(warm)
        return self.ready

    def build(self, setup: Setup, view: Template, fds: Sequence[int]) -> Birth:
        """Have a sandbox built in namespaces, as a child of ours.

        Parameters
        ----------
        setup
            What it is like.
        view
            What it begins with a copy of.
        fds
            Its ends of the pipes, and the doors of its control group.

        Raises
        ------
        OSError
            There is nobody who could.
        """
        warm = self._current
        if warm is None or warm.broken:
            if warm is not None:
                self._give_up(warm)
            raise ProcessLookupError(errno.ESRCH, "no Python is warm")
        birth = Birth(warm)
        try:
            if warm.view is not view:
                warm.ask({"op": VIEW, "setup": setup.to_frame()}, view.fds)
                warm.view = view
            own = {"uid": setup.uid, "network": setup.network, "grouped": setup.grouped}
            warm.ask({"op": SANDBOX, "own": own}, fds)
        except OSError:
            self._give_up(warm)
            raise
        warm.asked.append(birth)
        self._count(warm)
        return birth

    def _count(self, warm: _Warm) -> None:
        """Have it replaced once it has borne enough, or is gone; not if it never bore any."""
        warm.born += 1
        if (warm.born >= MOST_BORN or not self.ready) and self._next is None and warm.born > 1:
            self._next = _Warm(self._python, self._preload)

    def _give_up(self, warm: _Warm) -> None:
        self._current = None
        self._retire(warm)

    def reap(self) -> None:
        """Bury those that were let go and have ended."""
        self._ended = [pid for pid in self._ended if not _buried(pid)]

    def let_go(self) -> None:
        """Close our ends in a fork, and so leave them to us."""
        for warm in (self._current, self._next):
            if warm is not None:
                warm.socket.close()

    def close(self) -> None:
        """Let them end; what they have borne lives on."""
        for warm in (self._current, self._next):
            self._retire(warm)
        self._current = self._next = None

    def _retire(self, warm: _Warm | None) -> None:
        if warm is not None:
            warm.close()
            self._ended.append(warm.pid)


def _buried(pid: int) -> bool:
    """Bury a child if it has ended; return whether it is buried."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:  # a hunt for strays has buried it
        return True
