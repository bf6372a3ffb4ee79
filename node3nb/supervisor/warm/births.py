"""How the warm Python bears keepers."""

from __future__ import annotations

import marshal
import os
import signal
import socket
import time
from typing import Any

from node3nb.supervisor import keeper_process, linux
from node3nb.supervisor.berth import Blueprint
from node3nb.supervisor.frames import Channel
from node3nb.supervisor.kernel.cgroups import Groups
from node3nb.supervisor.sandbox.inner import REPORT
from node3nb.supervisor.sandbox.setup import Setup
from node3nb.supervisor.sandbox.template import Template
from node3nb.supervisor.warm import script
from node3nb.supervisor.warm.nursery import SOCKET

#: Bytes of the largest request.
REQUEST_BYTES = 1 << 17
#: Descriptors with a request: a channel and two namespaces.
MOST_FDS = 3
#: Seconds between two looks at whether a keeper has become the supervisor's.
ADOPTION_S = 0.0002


def prepare(supervisor: int, preload: tuple[str, ...]) -> None:
    """Become ready to bear keepers for the process `supervisor`."""
    linux.die_with_parent()
    if os.getppid() != supervisor:
        os._exit(0)
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    script.prepare(preload)


def serve() -> tuple[tuple[str, ...], dict[str, str]]:
    """Bear keepers until the supervisor is gone.

    Returns only in the process of a job that runs in a warm Python, with what it runs: its
    command and its environment.
    """
    requests = socket.socket(fileno=SOCKET)
    requests.send(b"ready")
    while True:
        request, fds, _, _ = socket.recv_fds(requests, REQUEST_BYTES, MOST_FDS)
        if not request:
            os._exit(0)
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            for fd in fds:
                os.close(fd)
            continue
        requests.close()
        return _bear(request, fds)


def _bear(request: bytes, fds: list[int]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Leave the keeper to the supervisor, as an orphan: it adopts every one below it."""
    midwife = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == midwife:
        time.sleep(ADOPTION_S)
    channel, *namespaces = fds
    blueprint = _blueprint(marshal.loads(request), namespaces)  # noqa: S302 - the supervisor's
    inner = keeper_process.keep(blueprint, Channel(socket.socket(fileno=channel)))
    script.settle()
    go = inner.await_job()
    if not go["warm"]:
        inner.execute(go["argv"], go["env"])
    os.close(REPORT)
    return go["argv"], go["env"]


def _blueprint(request: dict[str, Any], namespaces: list[int]) -> Blueprint:
    mounts, users = (*namespaces, None, None)[:2]
    return Blueprint(
        Setup.from_frame(request["setup"]),
        None if mounts is None else Template(mounts, users),
        Groups.from_frame(request["groups"]) if request["groups"] else None,
        request["own_user"],
        request["area"],
    )
