"""What an engine is: asked once, when it is found."""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node3nb.containers.sources.candidate import Candidate
from node3nb.supervisor.containers.engine_api import EngineAPI, EngineGone, EngineRefusal

#: Seconds an engine gets to answer that it is there.
PING_S = 2.0
#: Seconds one gets that has answered before, or that its owner has named: a machine may be busy.
PATIENT_PING_S = 10.0
#: Runtimes by which an engine reaches GPUs, by their names in its description.
GPU_RUNTIMES = ("nvidia", "rocm", "amd")


class EngineUnfit(Exception):
    """The engine can't be used; the text is a clause that says why."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers, and what it says of itself."""

    #: How it was found.
    source: str
    #: Its unix socket.
    socket: str
    #: docker or podman.
    kind: str
    #: Its version.
    version: str
    #: Where its data is, as it says itself: the same for as long as that stays.
    identity: str
    #: The directory of its data, as it sees it; empty is unknown.
    data: str
    #: Whether it runs without root: its user 0 is the owner.
    rootless: bool
    #: Version of the kernel's control groups it uses; 0 is unknown.
    cgroup_version: int
    #: What keeps its images and containers.
    storage_driver: str
    #: Ways it has to GPUs: nvidia, cdi, rocm.
    gpu_runtimes: tuple[str, ...]
    #: Whether its seccomp profile is on.
    seccomp: bool
    #: Whether directories need a label of SELinux.
    selinux: bool
    #: Whether it has a first process to put before a job.
    init: bool
    #: Whether its containers run under the same kernel as this process.
    same_kernel: bool

    @property
    def title(self) -> str:
        """Name and version, for the owner."""
        return f"{'Podman' if self.kind == 'podman' else 'Docker'} {self.version}"

    @property
    def pulls_by_digest(self) -> bool:
        """Whether it asks a registry for a digest; Podman serves no `/distribution`."""
        return self.kind == "docker"

    @property
    def disk(self) -> Path | None:
        """A directory on the disk of its images; None where that is another machine's."""
        return Path(self.data) if self.same_kernel and os.path.isdir(self.data) else None

    def facts(self) -> dict[str, Any]:
        """Return what the doctor shows, as plain data."""
        return {
            "engine": self.title,
            "source": self.source,
            "socket": self.socket,
            "rootless": self.rootless,
            "cgroup_version": self.cgroup_version,
            "storage_driver": self.storage_driver,
            "gpu_runtimes": list(self.gpu_runtimes),
            "seccomp": self.seccomp,
            "init": self.init,
        }


def ping(socket: str) -> bool:
    """Return whether an engine that has answered before still does."""
    try:
        EngineAPI(socket).call("GET", "/_ping", timeout_s=PATIENT_PING_S)
    except (EngineGone, EngineRefusal):
        return False
    return True


def examine(candidate: Candidate) -> Engine:
    """Return the engine at a socket.

    Raises
    ------
    EngineUnfit
        Nobody answers in time, or what answers can't limit what a job takes.
    """
    api = EngineAPI(str(candidate.socket))
    try:
        patience_s = PATIENT_PING_S if candidate.binding else PING_S
        api.call("GET", "/_ping", timeout_s=patience_s)
        version, info = api.call("GET", "/version"), api.call("GET", "/info")
    except EngineGone as gone:
        raise EngineUnfit(f"does not answer ({gone})") from gone
    except EngineRefusal as refusal:
        raise EngineUnfit(f"refuses to answer ({refusal.words})") from refusal
    if not isinstance(version, dict) or not isinstance(info, dict):
        raise EngineUnfit("answers something that is no engine's")
    _check_limits(info)
    return _described(candidate, version, info)


def _check_limits(info: dict[str, Any]) -> None:
    lacking = [
        what
        for what, name in (("memory", "MemoryLimit"), ("processes", "PidsLimit"))
        if info.get(name) is False
    ]
    if _is_rootless(info) and str(info.get("CgroupVersion", "")).endswith("1"):
        lacking = ["memory", "processes"]  # whatever it says itself (Podman 4.3)
    if lacking:
        raise EngineUnfit(
            f"can't limit {' and '.join(lacking)} of a container; a rootless engine needs "
            "control groups of version 2 that are delegated to its user"
        )
    if info.get("OSType", "linux") != "linux":
        raise EngineUnfit("runs containers of another system than Linux")


def _described(candidate: Candidate, version: dict[str, Any], info: dict[str, Any]) -> Engine:
    parts = [str(each.get("Name", "")) for each in version.get("Components") or []]
    kind = "podman" if any("podman" in part.lower() for part in parts) else "docker"
    options = [str(each) for each in info.get("SecurityOptions") or []]
    group = re.sub(r"\D", "", str(info.get("CgroupVersion", "")))
    return Engine(
        source=candidate.source,
        socket=str(candidate.socket),
        kind=kind,
        version=str(version.get("Version", "")),
        identity=f"{kind}:{info.get('Name', '')}:{info.get('DockerRootDir', '')}",
        data=str(info.get("DockerRootDir") or ""),
        rootless=_is_rootless(info),
        cgroup_version=int(group or 0),
        storage_driver=str(info.get("Driver", "")),
        gpu_runtimes=_gpu_runtimes(info),
        seccomp=any("seccomp" in each and "unconfined" not in each for each in options),
        selinux=any("selinux" in each for each in options),
        init=kind == "podman" or bool(info.get("InitBinary")),
        same_kernel=candidate.same_kernel and _same_kernel(info),
    )


def _is_rootless(info: dict[str, Any]) -> bool:
    named = any("rootless" in str(each) for each in info.get("SecurityOptions") or [])
    return named or bool(info.get("Rootless"))


def _same_kernel(info: dict[str, Any]) -> bool:
    return sys.platform == "linux" and info.get("KernelVersion") == platform.release()


def _gpu_runtimes(info: dict[str, Any]) -> tuple[str, ...]:
    runtimes = [name for name in GPU_RUNTIMES if name in (info.get("Runtimes") or {})]
    cdi = ["cdi"] if info.get("CDISpecDirs") or info.get("DiscoveredDevices") else []
    return tuple(runtimes + cdi)
