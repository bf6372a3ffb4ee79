"""How the warm Python bears sandboxes, and keepers that build theirs."""

from __future__ import annotations

import errno
import marshal
import os
import signal
import socket
import time
from dataclasses import replace
from typing import Any

from node3nb.supervisor import keeper_process, linux
from node3nb.supervisor.berth import Blueprint
from node3nb.supervisor.frames import Channel
from node3nb.supervisor.kernel import capabilities, namespaces, seccomp
from node3nb.supervisor.sandbox import build, init
from node3nb.supervisor.sandbox.inner import REPORT, Inner, policy
from node3nb.supervisor.sandbox.setup import Setup
from node3nb.supervisor.warm import script
from node3nb.supervisor.warm.nursery import KEEPER, SOCKET, VIEW

#: Bytes of the largest request.
REQUEST_BYTES = 1 << 17
#: Descriptors with a request for a sandbox: its ends of pipes, and then the doors of its control
#: group, one for each hierarchy.
ENDS, MOST_FDS = 5, 8
#: Seconds between two looks at whether a keeper has become the supervisor's.
ADOPTION_S = 0.0002


def prepare(supervisor: int, preload: tuple[str, ...]) -> None:
    """Become ready to bear keepers for the process `supervisor`."""
    linux.die_with_parent()
    if os.getppid() != supervisor:
        os._exit(0)
    os.chdir("/")
    script.prepare(preload)
    _end_threads()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end_threads() -> None:
    """Have libraries end their threads, as they do before a fork (pthread_atfork(3)).

    OpenBLAS has some as soon as it is loaded; with them no mount namespace can be joined
    (setns(2)), and a clone without them would wait for their end.
    """
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)


#: A command and its environment.
Program = tuple[tuple[str, ...], dict[str, str]]


def serve() -> Program:
    """Do what the supervisor asks for until it is gone.

    Returns only in the process of a job that runs in a warm Python, with what it runs.
    """
    requests = socket.socket(fileno=SOCKET)
    requests.send(b"ready")
    view: Setup | int = -errno.EINVAL
    while True:
        data, fds, _, _ = socket.recv_fds(requests, REQUEST_BYTES, MOST_FDS)
        if not data:
            os._exit(0)
        request = marshal.loads(data)  # noqa: S302 - the supervisor's
        inner = None
        if request["op"] == KEEPER:
            inner = _bear_keeper(requests, request, fds)
        elif request["op"] == VIEW:
            view = _see(request, fds)
        elif isinstance(view, Setup):
            inner = _bear_sandbox(requests, replace(view, **request["own"]), fds)
        else:
            _answer(requests, view)
        if inner is not None:
            return _await_program(inner)
        for fd in fds:
            os.close(fd)


def _see(request: dict[str, Any], fds: list[int]) -> Setup | int:
    """Go where the sandboxes are to begin, and do what is the same for all of them.

    Returns
    -------
    Setup or int
        What they have in common, or an errno below zero.
    """
    setup = Setup.from_frame(request["setup"])
    try:
        init.join(*fds)
    except OSError as error:
        return -(error.errno or errno.EIO)
    capabilities.empty_bounding_set()
    linux.die_with_parent()  # a change of user namespace has cleared it
    seccomp.program(policy(setup))
    return setup


def _bear_sandbox(requests: socket.socket, setup: Setup, fds: list[int]) -> Inner | None:
    """Fork a sandbox, as a child of the supervisor; returns its side in the job's process."""
    try:
        first = namespaces.clone(init.kinds(setup))
    except OSError as error:
        first = -(error.errno or errno.EIO)
    if first:
        _answer(requests, first)
        return None
    requests.detach()
    return build.begin(setup, tuple(fds[:ENDS]), tuple(fds[ENDS:]))


def _answer(requests: socket.socket, number: int) -> None:
    requests.send(marshal.dumps(number))


def _bear_keeper(requests: socket.socket, request: dict[str, Any], fds: list[int]) -> Inner | None:
    """Fork a keeper and leave it to the supervisor, as an orphan: it adopts all below it."""
    midwife = os.fork()
    if midwife:
        os.waitpid(midwife, 0)
        return None
    requests.close()
    midwife = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == midwife:
        time.sleep(ADOPTION_S)
    blueprint = Blueprint.from_frame(request["blueprint"])
    return keeper_process.keep(blueprint, Channel(socket.socket(fileno=fds[0])))


def _await_program(inner: Inner) -> Program:
    """Return the program of a Python job; become any other."""
    script.settle()
    go = inner.await_job()
    if not go["warm"]:
        inner.execute(go["argv"], go["env"])
    os.close(REPORT)
    return go["argv"], go["env"]
