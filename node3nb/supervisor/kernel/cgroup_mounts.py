"""Where the control groups of this process are: /proc/self/cgroup and the table of mounts."""

from __future__ import annotations

import os
from dataclasses import dataclass

#: Types of file system of the two versions.
V1, V2 = "cgroup", "cgroup2"


@dataclass(frozen=True, slots=True)
class _Mount:
    """One hierarchy, as it is mounted."""

    #: `V1` or `V2`.
    version: str
    #: The group that is shown at the mount's top.
    root: str
    #: Where that is.
    path: str
    #: Its controllers, among other options; empty for `V2`.
    options: frozenset[str]

    def shows(self, group: str) -> str | None:
        """Return the path of a group's directory, or None if it is not below the root."""
        if os.path.commonpath([self.root, group]) != self.root or "/.." in group:
            return None
        return os.path.normpath(os.path.join(self.path, os.path.relpath(group, self.root)))


def own_v1(proc: str, controller: str) -> str | None:
    """Return the directory of this process's group in the hierarchy of a controller."""
    return _own(proc, V1, controller)


def own_v2(proc: str) -> str | None:
    """Return the directory of this process's group of version 2."""
    return _own(proc, V2, "")


def of_process(pid: int, controller: str, proc: str = "/proc") -> str | None:
    """Return the directory of another process's group, by a controller of version 1 or by 2's."""
    return _own(proc, V1, controller, str(pid)) or _own(proc, V2, "", str(pid))


def _own(proc: str, version: str, controller: str, pid: str = "self") -> str | None:
    try:
        group = _groups(proc, pid).get(controller)
        mounts = _mounts(proc)
    except OSError:
        return None
    shown = (
        mount.shows(group)
        for mount in mounts
        if group and mount.version == version and {controller} - {""} <= mount.options
    )
    return next((path for path in shown if path), None)


def _groups(proc: str, pid: str) -> dict[str, str]:
    """Return the group of a process by controller; that of version 2 has none."""
    groups: dict[str, str] = {}
    for line in _lines(f"{proc}/{pid}/cgroup"):
        _, controllers, group = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), group)
    return groups


def _mounts(proc: str) -> list[_Mount]:
    found = []
    for line in _lines(f"{proc}/self/mountinfo"):
        before, _, after = line.partition(" - ")
        version, _, options = after.split(" ", 2)
        if version in {V1, V2}:
            root, path = before.split(" ")[3:5]
            found.append(_Mount(version, root, path, frozenset(options.split(","))))
    return found


def _lines(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read().splitlines()
