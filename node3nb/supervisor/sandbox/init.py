"""The first process of a job's process namespace: it lets the job in and ends with it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import Any, NoReturn

from node3nb.supervisor import linux
from node3nb.supervisor.kernel import capabilities, mounts, namespaces
from node3nb.supervisor.sandbox.children import keep_only, receive, send, tell, told
from node3nb.supervisor.sandbox.plan import Plan
from node3nb.supervisor.sandbox.setup import (
    HIDDEN,
    INPUT,
    NO_NETWORK,
    OUTPUT,
    SHM,
    TMP,
    UNPREPARED,
    WORK,
    Setup,
)
from node3nb.supervisor.sandbox.template import Template, covered, place

#: The private /dev/shm before the job's limit is known, in bytes and files.
SHM_BYTES, SHM_FILES = 64 << 20, 4096
#: What the host is called inside.
HOSTNAME = "job"


def enter(setup: Setup, template: Template) -> None:
    """Go into namespaces of our own, which begin as a copy of the template."""
    linux.die_with_parent()
    namespaces.join(template.mounts, namespaces.NEWNS)
    apart = namespaces.NEWNS | namespaces.NEWIPC | namespaces.NEWUTS | namespaces.NEWCGROUP
    if setup.network == NO_NETWORK:
        apart |= namespaces.NEWNET
    namespaces.unshare(apart)
    mounts.stop_propagation()
    mounts.mount_proc("/proc")
    mounts.mount_tmpfs(SHM, mode=0o1777, bytes=SHM_BYTES, inodes=SHM_FILES, exec=False)
    namespaces.set_hostname(HOSTNAME)
    if setup.network == NO_NETWORK:
        namespaces.raise_loopback()


@dataclass(frozen=True, slots=True)
class Ends:
    """The descriptors the first process needs, and no other."""

    #: Where the job comes from.
    orders: int
    #: By which the job's process is told.
    go: int
    #: Where a failure before the program is reported.
    report: int
    #: Where the job's wait status goes.
    status: int


def be(setup: Setup, job: int, ends: Ends) -> NoReturn:
    """Bring in the job's directories when it comes, wait for its end, and end all with it.

    Parameters
    ----------
    setup
        What the sandbox is like.
    job
        Process id of the job's process here.
    ends
        The pipes to keeper and job.
    """
    try:
        linux.hide_from_peers()
        keep_only(ends.orders, ends.go, ends.report, ends.status)
        if _admit(setup.plan, ends):
            capabilities.drop_all()
            linux.die_with_parent()  # a change of capabilities has cleared it
            tell(ends.status, _wait_for(job))
    finally:
        os._exit(0)


def _admit(plan: Plan, ends: Ends) -> bool:
    """Wait for the job and let it in; return whether it came."""
    message = receive(ends.orders)
    if message is None:
        return False
    try:
        _bring_in(plan, message)
    except OSError as error:
        tell(ends.report, UNPREPARED, *told(error))
        return False
    os.close(ends.report)
    send(ends.go, message)
    os.close(ends.go)
    return True


def _bring_in(plan: Plan, message: dict[str, Any]) -> None:
    """Mount the job's own directories, and let go of all else."""
    place_of_work = f"{HIDDEN}/area/{message['place']}"
    mounts.bind(f"{place_of_work}/input", INPUT, writable=False)
    for name, path in (("output", OUTPUT), ("job", WORK), ("tmp", TMP)):
        mounts.bind(f"{place_of_work}/{name}", path, writable=True)
    _uncover(plan)
    for path in message["devices"]:
        mounts.bind(f"{HIDDEN}{path}", path, writable=True, devices=True, executable=False)
    for name, text in message["etc"].items():
        _cover(f"/etc/{name}", text)
    mounts.resize_tmpfs(SHM, bytes=message["shm_bytes"], inodes=message["shm_files"])
    mounts.detach(HIDDEN)


def _uncover(plan: Plan) -> None:
    """Show again what the job's own /tmp has covered: an interpreter may live there."""
    for number, path in enumerate(covered(plan)):
        source = f"{HIDDEN}/covered-{number}"
        place(path, directory=os.path.isdir(source))
        mounts.bind(source, path, writable=False)
    for path, target in plan.links:
        if path.startswith(f"{TMP}/"):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.symlink(target, path)


def _cover(path: str, text: str) -> None:
    """Show a text in the place of a file."""
    fd, name = tempfile.mkstemp(dir=HIDDEN)
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(name, 0o444)
    mounts.bind(name, path, writable=False)


def _wait_for(job: int) -> int:
    """Return the wait status of the job, burying whoever else ends before it."""
    while True:
        pid, status = os.wait()
        if pid == job:
            return status
