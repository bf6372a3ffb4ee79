"""A job's view at level `namespaces`, made by bubblewrap where only that may make namespaces.

AppArmor on Ubuntu lets programs have user namespaces only if a profile names them, and one may name
bubblewrap; a bubblewrap with root's rights (setuid) makes namespaces where user namespaces are
switched off (bwrap(1)).  What runs inside needs no capability, and gets none.
"""

from __future__ import annotations

import os
from typing import Any

from node3nb.supervisor.sandbox.plan import Plan
from node3nb.supervisor.sandbox.setup import (
    HOST_NETWORK,
    HOSTNAME,
    INNER_UID,
    INPUT,
    OUTPUT,
    SHM,
    TMP,
    WORK,
    Setup,
)
from node3nb.supervisor.sandbox.template import etc

#: Where distributions put the program; never looked for elsewhere, since what is found is run.
PROGRAM = "/usr/bin/bwrap"
#: The two ways in which it makes namespaces: with a user namespace, and by its own rights.
WAYS = (
    (PROGRAM, "--unshare-user", "--uid", str(INNER_UID), "--gid", str(INNER_UID)),
    (PROGRAM,),
)
#: What else is the job's alone.
_APART = ("--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try")


def options(setup: Setup, job: dict[str, Any], texts: dict[str, int]) -> tuple[str, ...]:
    """Return what bubblewrap is told of a sandbox.

    The command inside is the first process of its process namespace, and ends with bubblewrap,
    which ends with the process that started it.

    Parameters
    ----------
    setup
        What the sandbox is like.
    job
        What the keeper tells of the job.  Its temporary directory was used for nothing before:
        links of the plan below /tmp are made in it.
    texts
        Descriptors from which files of its own are read, by their paths.
    """
    apart = _APART if setup.network == HOST_NETWORK else (*_APART, "--unshare-net")
    return (
        *(*apart, "--cap-drop", "ALL", "--hostname", HOSTNAME),
        *("--die-with-parent", "--as-pid-1", "--proc", "/proc", "--dev", "/dev"),
        *("--perms", "1777", *_size(setup, job["shm_bytes"]), "--tmpfs", SHM),
        *_own(job["root"]),
        *_shown(setup.plan),
        *(word for path in job["devices"] for word in ("--dev-bind", path, path)),
        *(word for path, fd in texts.items() for word in ("--ro-bind-data", str(fd), path)),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORK),
    )


def texts(setup: Setup, job: dict[str, Any]) -> dict[str, str]:
    """Return the files it finds in /etc in the place of the host's, by their paths."""
    own = etc((os.getuid() if _by_own_rights(setup) else INNER_UID,))
    return {f"/etc/{name}": text for name, text in {**own, **job["etc"]}.items()}


def _by_own_rights(setup: Setup) -> bool:
    return setup.bubblewrap == WAYS[1]


def _size(setup: Setup, shm_bytes: int) -> tuple[str, ...]:
    """Return how its /dev/shm is bounded; with root's rights, bubblewrap refuses to bound it."""
    return () if _by_own_rights(setup) else ("--size", str(shm_bytes))


def _own(root: str) -> tuple[str, ...]:
    """Return its own directories, before anything that the host may have below its /tmp."""
    written = (("output", OUTPUT), ("job", WORK), ("tmp", TMP))
    binds = (word for name, path in written for word in ("--bind", f"{root}/{name}", path))
    return ("--ro-bind", f"{root}/input", INPUT, *binds)


def _shown(plan: Plan) -> tuple[str, ...]:
    binds = (word for path in plan.shown for word in ("--ro-bind", path, path))
    links = (word for path, target in plan.links for word in ("--symlink", target, path))
    return (*binds, *links)
