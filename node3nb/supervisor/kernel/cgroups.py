"""Whether control groups can be made here, and those of one provider.

A provider has one group of its own; every job's is below that.  It is named after the
supervisor, so that the next provider can remove what one that was killed has left.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from typing import Any

from node3nb.supervisor.kernel import cgroup_mounts, cgroup_v1, cgroup_v2
from node3nb.supervisor.kernel.cgroup import Group
from node3nb.supervisor.kernel.cgroup_v1 import GroupV1
from node3nb.supervisor.kernel.cgroup_v2 import GroupV2

__all__ = ["Group", "Groups", "find", "sweep"]

#: Name of a provider's own group: its supervisor's process id and when that started.
_NAME = re.compile(r"node3nb-(\d+)-(\d+)")
#: Fields of /proc/PID/stat behind the command name (proc(5)): the state, and the start in ticks
#: since boot; and the states of what has ended.
_STATE, _START = 0, 19
_ENDED = (b"Z", b"X")
#: Limits of the group of a trial, in bytes and in processes; whole pages everywhere.
_TRIAL_BYTES, _TRIAL_PROCESSES = 64 << 20, 8
_KINDS: dict[str, type[GroupV1 | GroupV2]] = {
    cgroup_mounts.V1: GroupV1,
    cgroup_mounts.V2: GroupV2,
}
NO_CONTROLLERS = "No control group here passes memory and pids on to groups made in it."


@dataclass(frozen=True, slots=True)
class Groups:
    """One provider's own group, and the way to make its jobs' groups in it."""

    #: `cgroup` or `cgroup2`, as the file system is called.
    version: str
    #: Directories of the provider's own group, one in each hierarchy.
    homes: tuple[str, ...]

    def create(self, name: str) -> Group:
        """Make a group.

        Raises
        ------
        OSError
            It could not be made, or is there already.
        """
        return _KINDS[self.version].make(self._places(name))

    def remove(self, name: str) -> None:
        """Kill what is in a group and remove it, if it is still there."""
        self._at(name).remove()

    def end(self) -> None:
        """Kill what is in any of the groups, and remove them and the provider's own."""
        for name in self._names():
            self.remove(name)
        _KINDS[self.version](self.homes).remove()

    def to_frame(self) -> dict[str, Any]:
        """Return plain data to make the same from, in another process."""
        return {"version": self.version, "homes": self.homes}

    @classmethod
    def from_frame(cls, frame: dict[str, Any]) -> Groups:
        """Return what `to_frame` described, without another trial."""
        return cls(frame["version"], tuple(frame["homes"]))

    def _at(self, name: str) -> Group:
        return _KINDS[self.version](self._places(name))

    def _places(self, name: str) -> list[str]:
        return [f"{home}/{name}" for home in self.homes]

    def _names(self) -> set[str]:
        return {name for home in self.homes for name in _groups_in(home)}


def find(owner: int | None = None, *, proc: str = "/proc") -> Groups | str:
    """Return the way to make control groups, found by making one, or why there is none.

    Of version 2, groups are made in that of this process, or beside it: one with processes can't
    pass its controllers on.  No process is moved but our own, and no group changed but ours.

    Parameters
    ----------
    owner
        Process after which the provider's own group is named; by default this one.
    proc
        Where procfs is mounted.
    """
    name = _name(os.getpid() if owner is None else owner, proc)
    why = NO_CONTROLLERS
    for version, parents in _candidates(proc):
        groups = Groups(version, tuple(f"{parent}/{name}" for parent in parents))
        try:
            _prepare(groups)
            _try(groups)
        except OSError as error:
            groups.end()
            why = f"No control group can be made in {parents[0]} ({error.strerror or error})."
        else:
            return groups
    return why


def _candidates(proc: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return where groups might be made, best first: a version and a directory per hierarchy."""
    found: list[tuple[str, tuple[str, ...]]] = []
    own = cgroup_mounts.own_v2(proc)
    if own is not None:
        found = [
            (cgroup_mounts.V2, (directory,))
            for directory in (own, os.path.dirname(own))
            if cgroup_v2.passes_on(directory)
        ]
    each = [cgroup_mounts.own_v1(proc, controller) for controller in cgroup_v1.CONTROLLERS]
    parents = tuple(directory for directory in each if directory is not None)
    if len(parents) == len(each):
        found.append((cgroup_mounts.V1, parents))
    return found


def _prepare(groups: Groups) -> None:
    """Make the provider's own group, if it is not there from an earlier call."""
    for home in groups.homes:
        with contextlib.suppress(FileExistsError):
            os.mkdir(home)
    if groups.version == cgroup_mounts.V2:
        GroupV2(groups.homes).pass_on()


def _try(groups: Groups) -> None:
    """Make a group, limit it and move a process into it.

    Raises
    ------
    OSError
        The kernel refuses one of these, or does not keep to it.
    """
    group = groups.create(f"trial-{os.getpid()}")
    try:
        group.limit(_TRIAL_BYTES, _TRIAL_PROCESSES)
        if group.limits() != (_TRIAL_BYTES, _TRIAL_PROCESSES):
            raise OSError("it does not keep its limits")
        _move_one_into(group)
    finally:
        group.remove()


def _move_one_into(group: Group) -> None:
    ends, lives = os.pipe()
    child = os.fork()
    if not child:
        os.close(lives)
        os.read(ends, 1)
        os._exit(0)
    try:
        os.close(ends)
        group.enter(child)
        if child not in group.processes():
            raise OSError("a process can't be moved into it")
    finally:
        os.close(lives)
        os.waitpid(child, 0)


def sweep(groups: Groups, *, proc: str = "/proc") -> None:
    """Remove the groups of providers whose supervisor is gone, with what still lives in them."""
    for name in {name for home in groups.homes for name in _groups_in(os.path.dirname(home))}:
        owner = _NAME.fullmatch(name)
        if owner and _name(int(owner[1]), proc) != name:
            homes = (f"{os.path.dirname(home)}/{name}" for home in groups.homes)
            Groups(groups.version, tuple(homes)).end()


def _name(owner: int, proc: str) -> str:
    """Return the name of a supervisor's group; empty when it is gone.

    One that waits to be buried is gone too: in a container nobody may ever do that.
    """
    try:
        with open(f"{proc}/{owner}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "" if fields[_STATE] in _ENDED else f"node3nb-{owner}-{int(fields[_START])}"


def _groups_in(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
