"""The first process of a job's process namespace: all else in it ends with it."""

from __future__ import annotations

import os
from typing import NoReturn

from node3nb.supervisor import linux
from node3nb.supervisor.kernel import capabilities, namespaces
from node3nb.supervisor.sandbox.children import keep_only, tell
from node3nb.supervisor.sandbox.setup import NO_NETWORK, Setup
from node3nb.supervisor.sandbox.template import Template


def kinds(setup: Setup) -> int:
    """Return the namespaces a sandbox has of its own; that of control groups comes with the job."""
    own = namespaces.NEWNS | namespaces.NEWIPC | namespaces.NEWUTS | namespaces.NEWPID
    return own | (namespaces.NEWNET if setup.network == NO_NETWORK else 0)


def enter(setup: Setup, template: Template) -> None:
    """Go into namespaces of our own, which begin as a copy of the template."""
    join(template.mounts)
    namespaces.unshare(kinds(setup) & ~namespaces.NEWPID)  # that we are the first of


def join(mounts: int, users: int | None = None) -> None:
    """See what the template shows; its user namespace is joined first, if there is one."""
    if users is not None:
        namespaces.join(users, namespaces.NEWUSER)
    namespaces.join(mounts, namespaces.NEWNS)


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
        capabilities.drop_own()
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
