"""The last step of a view: the job's own directories come in, the rest of the host goes."""

from __future__ import annotations

import os
import time
from typing import Any

from node3nb.supervisor.kernel import mounts
from node3nb.supervisor.sandbox.plan import Plan
from node3nb.supervisor.sandbox.setup import HIDDEN, INPUT, OUTPUT, SHM, TMP, WORK
from node3nb.supervisor.sandbox.template import covered, place


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
