"""Attacks that take more than their job's limits allow, and how far they got."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from security.jobs_at_level import QUIET, Jobs
from security.table import ATTACKS, GREEDY_PROGRAM

from node3nb.files.workspace import Workspace
from node3nb.jobs import MIB, JobResult, ResourceLimits

#: Jobs that attack at the same time.
AT_ONCE = 2
#: Seconds in which a process that has outlived its job shows that it lives.
HEARTBEAT_S = 0.2
#: The one limit that each attack passes.
LIMITS = {
    "fork_bomb": replace(QUIET, processes=40, memory_bytes=4096 * MIB),
    "memory_of_one": replace(QUIET, memory_bytes=128 * MIB),
    "memory_of_many": replace(QUIET, memory_bytes=128 * MIB),
    "memory_shared": replace(QUIET, memory_bytes=128 * MIB),
    "memory_as_file": replace(QUIET, memory_bytes=128 * MIB),
    "memory_as_named_file": replace(QUIET, memory_bytes=128 * MIB),
    "one_file": replace(QUIET, disk_bytes=32 * MIB),
    "many_files": replace(QUIET, disk_files=500),
    "deep_tree": QUIET,
    "endless_time": replace(QUIET, timeout_s=0.5),
    "flood": replace(QUIET, log_bytes=64 << 10),
    "daemon": QUIET,
}


def attack(jobs: Jobs) -> dict[str, dict[str, str]]:
    """Run every such attack, each in its own job."""
    names = [each.name for each in ATTACKS if each.program == GREEDY_PROGRAM]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(names, pool.map(lambda name: _attack(jobs, name), names), strict=True))


def _attack(jobs: Jobs, name: str) -> dict[str, str]:
    with jobs.place() as place:
        result = jobs.run(place, GREEDY_PROGRAM, (name,), {}, LIMITS[name])
        outcome = "succeeded" if _succeeded(name, place) else "stopped"
        return {"outcome": outcome, "detail": _told(result, LIMITS[name])}


def _succeeded(name: str, place: Workspace) -> bool:
    if name == "daemon":
        return _beats(place)
    return (place.output / "reached").exists()


def _beats(place: Workspace) -> bool:
    """Return whether a process of the ended job still writes."""
    heart = place.output / "heart"
    before = heart.stat().st_size
    time.sleep(HEARTBEAT_S)
    return heart.stat().st_size > before


def _told(result: JobResult, limits: ResourceLimits) -> str:
    peak = f"{result.usage.peak_memory_bytes / MIB:.0f} of {limits.memory_bytes / MIB:.0f} MiB"
    return (
        f"{result.reason}, {result.exit_code}, {result.message} "
        f"({peak}, {result.usage.peak_processes} processes) {result.stderr[-300:]}"
    )
