"""The view of a job at level `namespaces`, built once: every sandbox begins with a copy of it.

A copy of a mount namespace costs a tenth of a millisecond; building one takes thirty mounts.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import Self

from node3nb.supervisor.kernel import mounts, namespaces
from node3nb.supervisor.sandbox import plan as plans
from node3nb.supervisor.sandbox import slots
from node3nb.supervisor.sandbox.children import in_child
from node3nb.supervisor.sandbox.plan import Plan
from node3nb.supervisor.sandbox.setup import HIDDEN, INNER_UID, MOUNTED, SHM, TMP

#: Where the new root is put together: a directory every system has.
SITE = "/tmp"  # noqa: S108 - covered by a mount of our own
#: Bytes and files of the root itself, which holds directories, links and four small files.
ROOT_BYTES, ROOT_FILES = 1 << 20, 4096
#: Most bytes of the files that sandboxes have for themselves, a page each: five for every job that
#: has the host's network, as long as it runs.
HIDDEN_BYTES = 16 << 20
#: The user that owns what nobody here does (nobody(5) of systemd).
NOBODY = 65534
#: What is written in place of the host's own, which names its users and itself.
_ETC = {
    "hostname": "job\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


class Template:
    """A mount namespace that is held open, and the user namespace it belongs to.

    Attributes
    ----------
    mounts
        Descriptor of the mount namespace.
    users
        Descriptor of the user namespace; None for root, who needs none.
    """

    def __init__(self, mounts: int, users: int | None) -> None:
        self.mounts = mounts
        self.users = users

    @classmethod
    def build(cls, plan: Plan, area: str, *, own_user: bool) -> Self:
        """Build the view in a child, which leaves its namespaces to us.

        Parameters
        ----------
        plan
            What of the host is in it.
        area
            Directory below which the workspaces are.
        own_user
            Whether each job becomes a user of its own.

        Raises
        ------
        OSError
            The kernel does not allow it; the message names the step.
        """
        with in_child(lambda: _build(plan, area, own_user=own_user)) as child:
            held = namespaces.open_namespace(child, "mnt")
            users = namespaces.open_namespace(child, "user") if os.geteuid() else None
        return cls(held, users)

    @property
    def fds(self) -> list[int]:
        """The descriptors, the mount namespace's first."""
        return [self.mounts] if self.users is None else [self.mounts, self.users]

    def close(self) -> None:
        """Let go of the namespaces."""
        for fd in self.fds:
            os.close(fd)


def _build(plan: Plan, area: str, *, own_user: bool) -> None:
    if os.geteuid():
        namespaces.new_user(INNER_UID)
    namespaces.unshare(namespaces.NEWNS)
    mounts.stop_propagation()
    shown = {path: os.open(path, os.O_PATH) for path in (*plan.shown, *plans.DEVICES)}
    hidden = {name: os.open(path, os.O_PATH) for name, path in _kept(plan, area).items()}
    mounts.mount_tmpfs(SITE, mode=0o755, bytes=ROOT_BYTES, inodes=ROOT_FILES)
    _furnish(plan, slots.UIDS if own_user else (INNER_UID,))
    for path, fd in shown.items():
        if not _is_covered(path):
            _show(fd, path, device=path in plans.DEVICES)
    _hide(hidden)
    mounts.pivot(SITE)
    mounts.make_read_only("/")


def _kept(plan: Plan, area: str) -> dict[str, str]:
    """Return what stays at hand until the job comes: name in `HIDDEN`, path on the host."""
    kept = {"area": area, "dev": "/dev", "proc": "/proc"}
    return kept | {f"covered-{n}": path for n, path in enumerate(covered(plan))}


def covered(plan: Plan) -> list[str]:
    """Return what is shown below the job's own /tmp, and so has to come after it."""
    return [path for path in plan.shown if _is_covered(path)]


def _is_covered(path: str) -> bool:
    return path.startswith(f"{TMP}/")


def _furnish(plan: Plan, uids: Iterable[int]) -> None:
    """Make what is no mount: directories, links, and a few files of our own."""
    for path in (*MOUNTED, "/proc", SHM, "/etc", HIDDEN):
        os.makedirs(SITE + path, exist_ok=True)
    for path, target in plan.links:
        if not _is_covered(path):
            os.makedirs(os.path.dirname(SITE + path), exist_ok=True)
            os.symlink(target, SITE + path)
    for name, text in etc(tuple(uids)).items():
        _write(f"{SITE}/etc/{name}", text)
    for name in plans.ETC_NETWORK:
        if not os.path.exists(f"{SITE}/etc/{name}"):
            _write(f"{SITE}/etc/{name}", "")
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"{SITE}/dev/{name}")
    for device in plans.gpu_devices():
        place(SITE + device, directory=os.path.isdir(device))


def etc(uids: tuple[int, ...]) -> dict[str, str]:
    """Return the files of /etc that are written anew, for jobs that may be these users."""
    return _ETC | _users(uids)


def _users(uids: tuple[int, ...]) -> dict[str, str]:
    """Return the files that name users: root, nobody and whom jobs may be."""
    jobs = {uid: "job" if uid == uids[0] else f"job{number}" for number, uid in enumerate(uids)}
    names = {0: "root", **jobs, NOBODY: "nobody"}
    passwd = (f"{name}:x:{uid}:{uid}:{name}:/job:/bin/sh\n" for uid, name in names.items())
    group = (f"{name}:x:{uid}:\n" for uid, name in names.items())
    return {"passwd": "".join(passwd), "group": "".join(group)}


def _write(path: str, text: str) -> None:
    # As bytes: what Python would look up an encoding with may lie below the site, covered by now.
    with open(path, "wb") as file:
        file.write(text.encode())


def _show(source: int, path: str, *, device: bool) -> None:
    place(SITE + path, directory=stat.S_ISDIR(os.fstat(source).st_mode))
    mounts.bind(
        f"/proc/self/fd/{source}",
        SITE + path,
        writable=device,
        devices=device,
        executable=not device,
    )


def place(path: str, *, directory: bool) -> None:
    """Make the place something is mounted on."""
    os.makedirs(path if directory else os.path.dirname(path), exist_ok=True)
    if not directory and not os.path.lexists(path):
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o444))


def _hide(sources: dict[str, int]) -> None:
    """Keep what is still needed on one mount, which goes with all that is on it."""
    mounts.mount_tmpfs(SITE + HIDDEN, mode=0o700, bytes=HIDDEN_BYTES, inodes=ROOT_FILES)
    for name, fd in sources.items():
        path = f"{SITE}{HIDDEN}/{name}"
        place(path, directory=stat.S_ISDIR(os.fstat(fd).st_mode))
        mounts.bind(f"/proc/self/fd/{fd}", path, writable=True, devices=name == "dev")
