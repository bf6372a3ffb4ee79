"""Orders for what runs jobs, made without a provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from node3nb.jobs import MIB
from node3nb.supervisor.containers.orders import ContainerOrder
from node3nb.supervisor.orders import Order


def native(place: Path, **changes: Any) -> Order:
    """Return an order for a job whose directories lie in a place."""
    own = {"env": {}, "area": str(place), "tmp": f"{place}/tmp", "warm": False, "cores": 1}
    return Order(**{**_of_any(place), **own, **changes})


def contained(place: Path, **changes: Any) -> ContainerOrder:
    """Return the same for a container of no engine."""
    none = dict.fromkeys(("entrypoint", "relabel", "init", "prepare", "same_kernel"), False)
    empty = dict.fromkeys(("volumes", "device_requests", "groups"), ())
    own = {"engine": "", "image": "", "env": {}, "user": "0:0", "cpus": 1.0, **none, **empty}
    return ContainerOrder(**{**_of_any(place), **own, **changes})


def _of_any(place: Path) -> dict[str, Any]:
    return {
        "job": "job",
        "argv": ("true",),
        "root": str(place),
        **{name: f"{place}/{name}" for name in ("input", "output", "work", "log")},
        "network": "none",
        "devices": (),
        "memory_bytes": 256 * MIB,
        "disk_bytes": MIB,
        "disk_files": 100,
        "timeout_s": 60.0,
        "processes": 100,
        "log_bytes": 1000,
        "grace_s": 1.0,
        "asked_ns": 0,
    }
