"""A job's view at level `namespaces`, made by bubblewrap where only that may make namespaces.

Ubuntu since 23.10 lets programs have user namespaces only if a profile names them; bubblewrap's
does (bwrap(1)).  What runs inside needs no capability, and gets none.
"""

from __future__ import annotations

from dataclasses import dataclass

from node3nb.supervisor.sandbox.init import HOSTNAME
from node3nb.supervisor.sandbox.plan import Plan
from node3nb.supervisor.sandbox.setup import INNER_UID, INPUT, OUTPUT, SHM, TMP, WORK

#: Name of the program.
PROGRAM = "bwrap"


@dataclass(frozen=True, slots=True)
class Places:
    """One job's own directories on the host."""

    #: Read-only for the job.
    input: str
    #: Where it leaves what it made.
    output: str
    #: Its working directory and home.
    work: str
    #: Its temporary files.
    tmp: str


def command(
    plan: Plan,
    places: Places,
    argv: tuple[str, ...],
    *,
    shm_bytes: int,
    host_network: bool = False,
    devices: tuple[str, ...] = (),
    texts: tuple[tuple[int, str], ...] = (),
) -> tuple[str, ...]:
    """Return the command that runs another one in a sandbox.

    Its first process is bubblewrap's own; the job's ends with it, and it with the process that
    started bubblewrap.  Open descriptors and the environment are passed on.

    Parameters
    ----------
    plan
        What of the host the job sees.
    places
        Directories of its own, used for nothing before: links of the plan below /tmp are made in
        the last.
    argv
        The command inside, by a path that the job sees.
    shm_bytes
        Size of its /dev/shm.
    host_network
        Whether it has the host's network; else it has a loopback of its own.
    devices
        Further devices it may use.
    texts
        Descriptors from which files of its own are read, and where each is.
    """
    return (
        PROGRAM,
        *_apart(host_network=host_network),
        *("--proc", "/proc", "--dev", "/dev"),
        *("--size", str(shm_bytes), "--perms", "1777", "--tmpfs", SHM),
        *_own(places),
        *_shown(plan),
        *(word for path in devices for word in ("--dev-bind", path, path)),
        *(word for fd, path in texts for word in ("--ro-bind-data", str(fd), path)),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORK, "--"),
        *argv,
    )


def _apart(*, host_network: bool) -> tuple[str, ...]:
    """Return what is the job's alone: its namespaces, and a user without capabilities."""
    user = ("--uid", str(INNER_UID), "--gid", str(INNER_UID), "--cap-drop", "ALL")
    apart = ("--unshare-all", "--unshare-user", "--die-with-parent", "--hostname", HOSTNAME)
    return (*apart, *(("--share-net",) if host_network else ()), *user)


def _own(places: Places) -> tuple[str, ...]:
    """Return its own directories, before anything that the host may have below its /tmp."""
    written = ((places.output, OUTPUT), (places.work, WORK), (places.tmp, TMP))
    binds = (word for source, path in written for word in ("--bind", source, path))
    return ("--ro-bind", places.input, INPUT, *binds)


def _shown(plan: Plan) -> tuple[str, ...]:
    binds = (word for path in plan.shown for word in ("--ro-bind", path, path))
    links = (word for path, target in plan.links for word in ("--symlink", target, path))
    return (*binds, *links)
