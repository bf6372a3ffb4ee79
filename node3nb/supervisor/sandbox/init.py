"""The first process of a job's process namespace: all else in it ends with it."""

from __future__ import annotations

import os
from typing import NoReturn

from node3nb.supervisor import linux
from node3nb.supervisor.kernel import capabilities, mounts, namespaces
from node3nb.supervisor.sandbox.children import keep_only, tell
from node3nb.supervisor.sandbox.setup import HOSTNAME, NO_NETWORK, SHM, Setup
from node3nb.supervisor.sandbox.template import Template

#: The private /dev/shm before the job's limit is known, in bytes and files.
SHM_BYTES, SHM_FILES = 64 << 20, 4096


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


def be(job: int, status: int) -> NoReturn:
    """Wait for the end of the job, burying all who end before it, and end with it.

    Parameters
    ----------
    job
        Process id of the job's process here.
    status
        Descriptor that is told the job's wait status.
    """
    try:
        linux.hide_from_peers()
        keep_only(status)
        capabilities.drop_all()
        linux.die_with_parent()  # a change of capabilities has cleared it
        tell(status, _wait_for(job))
    finally:
        os._exit(0)


def _wait_for(job: int) -> int:
    """Return the wait status of the job, burying whoever else ends before it."""
    while True:
        pid, status = os.wait()
        if pid == job:
            return status
