"""The last steps of a view: what is each sandbox's own, then the job's, and the host goes."""

from __future__ import annotations

import os
import time
from typing import Any

from node3nb.supervisor.kernel import mounts, namespaces
from node3nb.supervisor.sandbox.plan import Plan
from node3nb.supervisor.sandbox.setup import (
    HIDDEN,
    HOSTNAME,
    INPUT,
    NO_NETWORK,
    OUTPUT,
    SHM,
    TMP,
    WORK,
    Setup,
)
from node3nb.supervisor.sandbox.template import covered, place

#: The private /dev/shm before the job's limit is known, in bytes and files.
SHM_BYTES, SHM_FILES = 64 << 20, 4096


def furnish(setup: Setup) -> None:
    """Fill namespaces that are new with what each sandbox has for itself.

    Raises
    ------
    OSError
        The kernel does not let us.
    """
    mounts.mount_proc("/proc")
    mounts.mount_tmpfs(SHM, mode=0o1777, bytes=SHM_BYTES, inodes=SHM_FILES, exec=False)
    namespaces.set_hostname(HOSTNAME)
    if setup.network == NO_NETWORK:
        namespaces.raise_loopback()


def arrange(plan: Plan, message: dict[str, Any]) -> None:
    """Mount the job's own directories, and let go of all else of the host.

    Parameters
    ----------
    plan
        What the host shows.
    message
        What the keeper tells of the job.

    Raises
    ------
    OSError
        A directory is not there, or the kernel does not let us.
    """
    namespaces.unshare(namespaces.NEWCGROUP)  # whose root is the job's own group by now
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
    name = f"{HIDDEN}/{os.path.basename(path)}-{time.monotonic_ns()}"  # other sandboxes write here
    with open(name, "x", encoding="utf-8") as file:
        file.write(text)
    os.chmod(name, 0o444)
    mounts.bind(name, path, writable=False)
    os.unlink(name)  # its memory is all sandboxes' until its last mount goes
