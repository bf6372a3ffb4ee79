"""What of the host a job may see: programs, libraries, an interpreter; never anybody's data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

#: Directories of the system, and what they are called on a system that has merged them.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
#: What of /etc a program needs to find libraries, certificates and its time zone.
ETC = (
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "fonts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "magic",
    "mime.types",
    "pki",
    "protocols",
    "services",
    "ssl",
    "timezone",
)
#: What of /etc is needed too where the job has the host's network.
ETC_NETWORK = ("gai.conf", "host.conf", "hosts", "nsswitch.conf", "resolv.conf")
#: Devices every job may use.
DEVICES = ("/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")
#: How the nodes of GPUs are called by the drivers of NVIDIA, and of AMD (ROCm) and Intel.
_GPU_NODES = ("nvidia", "kfd", "dri")
#: Parts of an interpreter's prefix that are the interpreter: a virtual environment may stand in
#: the directory of its owner's project, and the rest of that is not for jobs.
PREFIX_PARTS = ("bin", "include", "lib", "lib32", "lib64", "libexec", "pyvenv.cfg")
#: Further parts where conda made the prefix.
CONDA_PARTS = ("etc", "share", "ssl", "x86_64-conda-linux-gnu", "aarch64-conda-linux-gnu")
#: Symbolic links followed on one path before it is taken for a circle (path_resolution(7)).
MOST_LINKS = 40


@dataclass(frozen=True, slots=True)
class Plan:
    """What the host shows to every job.

    Attributes
    ----------
    shown
        Files and directories, read-only, in the place where they are.
    links
        Symbolic links made in the place where they are, each with its target.
    python
        The interpreter that `python` means.
    """

    shown: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    python: str

    def to_frame(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return {"shown": self.shown, "links": self.links, "python": self.python}

    @classmethod
    def from_frame(cls, frame: dict[str, Any]) -> Plan:
        """Return the plan that plain data describe."""
        return cls(frame["shown"], frame["links"], frame["python"])


def make(python: str, prefixes: tuple[str, ...]) -> Plan:
    """Return the plan for this host.

    Parameters
    ----------
    python
        Path of the interpreter, as it is called: links in it are kept.
    prefixes
        Directories the interpreter lives in: its prefix and that of the one it is based on.
    """
    collected = _Collected()
    for path in (*SYSTEM, *(f"/etc/{name}" for name in ETC)):
        collected.add(path)
    for prefix in dict.fromkeys((*prefixes, _prefix_of(python))):
        real = collected.follow(prefix)
        conda = os.path.isdir(f"{real}/conda-meta")
        for part in PREFIX_PARTS + (CONDA_PARTS if conda else ()):
            collected.add(f"{real}/{part}")
    collected.follow(python)
    return Plan(tuple(collected.shown), tuple(collected.links.items()), python)


def gpu_devices() -> tuple[str, ...]:
    """Return the device nodes by which programs reach this machine's GPUs."""
    return tuple(
        f"/dev/{name}" for name in sorted(os.listdir("/dev")) if name.startswith(_GPU_NODES)
    )


def _prefix_of(python: str) -> str:
    return os.path.dirname(os.path.dirname(os.path.realpath(python)))


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in {"", "."}]


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


class _Collected:
    """Paths gathered so far, none of them below another."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.links: dict[str, str] = {}

    def add(self, path: str) -> None:
        """Show a path if it is there, by the links that lead to it."""
        real = self.follow(path)
        if os.path.exists(real) and not self._has(real):
            self.shown.append(real)

    def follow(self, path: str) -> str:
        """Note every link on the way along a path; return where it leads."""
        done, rest = "", _parts(path)
        for _ in range(MOST_LINKS + len(rest)):
            if not rest:
                break
            part = rest.pop(0)
            if part == "..":
                done = _parent(done)
                continue
            done = f"{done}/{part}"
            if os.path.islink(done):
                target = os.readlink(done)
                if not self._has(done):
                    self.links[done] = target
                rest = _parts(target) + rest
                done = "" if target.startswith("/") else _parent(done)
        return done or "/"

    def _has(self, path: str) -> bool:
        return any(path == each or path.startswith(each + "/") for each in self.shown)
