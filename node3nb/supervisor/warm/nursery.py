"""The supervisor's end of the warm Python: starts it, asks it for keepers, renews it."""

from __future__ import annotations

import marshal
import os
import socket
from pathlib import Path

from node3nb.supervisor.berth import Blueprint

#: The program that is the warm Python.
PROGRAM = str(Path(__file__).parent / "__main__.py")
#: The descriptor it talks to us by.
SOCKET = 3
#: Keepers one warm Python bears: all its jobs share its hash seed and the layout of its memory.
MOST_BORN = 64
#: Its whole environment: what a job's own Python would see, and no home to find packages in.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"}


class _Warm:
    """One warm Python."""

    def __init__(self, python: str, preload: tuple[str, ...]) -> None:
        self.born = 0
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
        fds = [channel.fileno(), *(blueprint.template.fds if blueprint.template else [])]
        try:
            socket.send_fds(warm.socket, [marshal.dumps(blueprint.to_frame())], fds)
        except OSError:
            self._current = None
            self._retire(warm)
        warm.born += 1
        if (warm.born >= MOST_BORN or not self.ready) and self._next is None and warm.born > 1:
            self._next = _Warm(self._python, self._preload)
        return self.ready

    def reap(self) -> None:
        """Bury those that were let go and have ended."""
        self._ended = [pid for pid in self._ended if not os.waitpid(pid, os.WNOHANG)[0]]

    def close(self) -> None:
        """Let them end; what they have borne lives on."""
        for warm in (self._current, self._next):
            self._retire(warm)
        self._current = self._next = None

    def _retire(self, warm: _Warm | None) -> None:
        if warm is not None:
            warm.socket.close()
            self._ended.append(warm.pid)
