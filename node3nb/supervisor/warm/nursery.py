"""The supervisor's end of the warm Python: starts it, asks it for keepers, renews it."""

from __future__ import annotations

import contextlib
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
        self._start()

    def _start(self) -> None:
        self._born = 0
        #: Whether it can bear keepers.
        self.ready = False
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        argv = [self._python, PROGRAM, str(os.getpid()), *self._preload]
        with theirs:
            self._pid = os.posix_spawn(
                self._python,
                argv,
                ENVIRONMENT,
                file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), SOCKET)],
                setsid=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the warm Python."""
        return self._pid

    def hear(self) -> bool:
        """Note whether it has imported what it should, once its descriptor says something."""
        with contextlib.suppress(OSError):
            self.ready = bool(self._socket.recv(64, socket.MSG_DONTWAIT))
        return self.ready

    def fileno(self) -> int:
        """Return the descriptor that tells when it is ready."""
        return self._socket.fileno()

    def bear(self, blueprint: Blueprint, channel: socket.socket) -> bool:
        """Have it fork a keeper with this channel; return whether it could be asked."""
        if not self.ready:
            return False
        fds = [channel.fileno(), *(blueprint.template.fds if blueprint.template else [])]
        message = marshal.dumps(
            {
                "setup": blueprint.setup.to_frame(),
                "groups": blueprint.groups.to_frame() if blueprint.groups else None,
                "own_user": blueprint.own_user,
                "area": blueprint.area,
            }
        )
        try:
            socket.send_fds(self._socket, [message], fds)
        except OSError:
            self.close()
            self._start()
            return False
        self._born += 1
        return True

    def close(self) -> None:
        """Let it end; what it has borne lives on."""
        self._socket.close()
