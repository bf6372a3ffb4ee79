"""Attacks that take more than their job's limits allow, and how far they got."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from security.jobs_at_level import QUIET, Jobs
from security.table import GREEDY_PROGRAM as PROGRAM

from node3nb.files.workspace import Workspace
from node3nb.jobs import MIB, JobResult, ResourceLimits

#: The attack that would disturb the others.
BOMB = "fork_bomb"
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
    "memory_in_tmp": replace(QUIET, memory_bytes=128 * MIB, disk_bytes=128 * MIB),
    "removed_files": replace(QUIET, disk_bytes=32 * MIB),
    "one_file": replace(QUIET, disk_bytes=32 * MIB),
    "many_files": replace(QUIET, disk_files=500),
    "deep_tree": QUIET,
    "endless_time": replace(QUIET, timeout_s=0.5),
    "flood": replace(QUIET, log_bytes=64 << 10),
    "daemon": QUIET,
}


#: Attacks that are seen in how far others got, by the names of the others.
DERIVED = {"memory_for_a_moment": ("memory_of_one", "memory_of_many", "memory_shared")}
#: What those are, as the page tells it.
TOLD = {"memory_for_a_moment": "More memory than the limit, before that is noticed."}
#: What the interpreter's own files in memory may add to what is measured, in bytes.
SLACK_BYTES = 16 * MIB


@dataclass(frozen=True, slots=True)
class End:
    """How one attack ended."""

    #: Whether it reached its aim.
    reached: bool
    #: Whether it was over its limit of memory at any time.
    over: bool
    #: What happened, in words.
    told: str


def attack(jobs: Jobs) -> dict[str, dict[str, str]]:
    """Run every such attack, each in its own job."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        others = [name for name in LIMITS if name != BOMB]
        ends = dict(zip(others, pool.map(lambda name: _attack(jobs, name), others), strict=True))
    ends[BOMB] = _attack(jobs, BOMB)
    found = {name: _outcome(end.reached, end.told) for name, end in ends.items()}
    return found | {name: _moment(sources, ends) for name, sources in DERIVED.items()}


def _attack(jobs: Jobs, name: str) -> End:
    limits = LIMITS[name]
    with jobs.place() as place:
        result = jobs.run(place, PROGRAM, (name,), {}, limits)
        for left in Path("/dev/shm").glob(f"n3-{result.job_id}-*"):
            left.unlink()
        over = result.usage.peak_memory_bytes > limits.memory_bytes + SLACK_BYTES
        return End(_succeeded(name, place), over, _told(result, limits))


def _outcome(succeeded: bool, told: str) -> dict[str, str]:
    return {"outcome": "succeeded" if succeeded else "stopped", "detail": told}


def _moment(sources: tuple[str, ...], ends: dict[str, End]) -> dict[str, str]:
    """Return whether any of the attacks passed its limit, though it was stopped then."""
    passed = any(ends[name].over for name in sources)
    return _outcome(passed, "; ".join(ends[name].told for name in sources))


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
