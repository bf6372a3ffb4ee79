"""Why a job in a container ended, from what was seen of its end."""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass
from typing import Any

from node3nb.supervisor.containers.orders import ContainerOrder
from node3nb.supervisor.disk import Written
from node3nb.supervisor.room import FULL, Room
from node3nb.supervisor.verdict import NOT_EXECUTABLE, NOT_FOUND, signal_name
from node3nb.supervisor.watch import Cause, out_of_memory, over_disk

#: What a shell, and every engine, adds to the number of the signal that ended a program.
SIGNALLED = 128
#: An engine may not see that the kernel ended a job for its memory (Podman 4.3 with groups of
#: version 1): a job that had more than one part in this of its limit, and was killed by nobody
#: known, is taken for one.
KILLED_PART = 2
#: What the first process of a container says when it can't start the program, and what it exits
#: with: Docker's tini as a shell would, Podman's catatonit with 1.
_TINI, _CATATONIT = b"[FATAL tini", b"ERROR (catatonit"
_MISSING = os.strerror(errno.ENOENT).encode()


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a job's end in a container."""

    #: Exit code the engine tells; None when it tells none.
    code: int | None
    #: Whether the kernel ended a process for the memory of the container.
    oom_killed: bool
    #: Largest memory measured, in bytes.
    peak_memory_bytes: int
    #: What stands on the disk.
    written: Written
    #: Why we ended it; None when it ended by itself.
    cause: Cause | None
    #: The last line on its standard error.
    last_words: bytes
    #: What room the provider's disk had for it.
    room: Room


def ending(order: ContainerOrder, seen: Seen) -> dict[str, Any]:
    """Return reason, message, exit code and signal of the job's end."""
    number = _signal(seen.code)
    if seen.cause is None and not seen.oom_killed and _not_started(seen):
        return not_started(order, missing=seen.last_words.strip().endswith(_MISSING))
    cause = seen.cause or _cause(order, seen, number)
    return {
        "reason": cause.reason,
        "message": cause.message,
        "exit_code": None if number else seen.code,
        "signal": number,
    }


def not_started(order: ContainerOrder, *, missing: bool) -> dict[str, Any]:
    """Return the end of a job whose program, or the image's entrypoint, is not to be run."""
    named = "the image's entrypoint for" if order.entrypoint else "the program"
    program = order.argv[0][:200]
    fault = "was not found" if missing else "can't be executed"
    return {
        "reason": "exited",
        "message": f"command: {named} {program!r} {fault}.",
        "exit_code": NOT_FOUND if missing else NOT_EXECUTABLE,
        "signal": None,
    }


def refused_start(order: ContainerOrder, words: str) -> dict[str, Any]:
    """Return the end of a job whose container the engine could not start, by its words."""
    lower = words.lower()
    missing = "not found" in lower or "no such file or directory" in lower
    if "exec" in lower and (missing or "permission denied" in lower):
        return not_started(order, missing=missing)
    return fault(words)


def refused(why: str) -> dict[str, Any]:
    """Return the end of a job whose container is not run, for a reason of its image's."""
    message = f"{why} Use another image."
    return {"reason": "refused", "message": message, "exit_code": None, "signal": None}


def fault(words: str) -> dict[str, Any]:
    """Return the end of a job that the engine would not run."""
    if "no space left" in words.lower():
        told = "The container engine has no space left for the job; make room on its disk."
    else:
        told = f"The container engine could not run the job ({words}); see `node3nb doctor`."
    return {"reason": "internal", "message": told, "exit_code": None, "signal": None}


def _not_started(seen: Seen) -> bool:
    """Whether the container's first process says so; a job that lies only renames its failure."""
    words = seen.last_words.strip()
    if words.startswith(_TINI):
        return seen.code in {NOT_FOUND, NOT_EXECUTABLE}
    return words.startswith(_CATATONIT) and seen.code == 1


def _cause(order: ContainerOrder, seen: Seen, number: int | None) -> Cause:
    likely = number == signal.SIGKILL and seen.peak_memory_bytes > order.memory_bytes // KILLED_PART
    if seen.oom_killed or likely:
        return out_of_memory(max(seen.peak_memory_bytes, order.memory_bytes), order)
    disk = over_disk(seen.written, order)
    if disk is None and seen.room.lacked(seen.code):
        return FULL
    if disk or seen.code == 0:
        return disk or Cause("exited", "")
    if seen.code is None:
        return Cause("lost", "The engine lost sight of the job's container; run it again.")
    return _own_end(seen.code, number)


def _own_end(code: int, number: int | None) -> Cause:
    if number == signal.SIGXFSZ:
        return Cause("disk_limit", "The job wrote one file up to its limit of bytes on disk.")
    if number:
        return Cause("signaled", f"The job was ended by {signal_name(number)}.")
    return Cause("exited", f"The job exited with code {code}.")


def _signal(code: int | None) -> int | None:
    """Return the signal an exit code stands for; a program may also exit with it by itself."""
    if code is None or not SIGNALLED < code <= SIGNALLED + signal.NSIG:
        return None
    return code - SIGNALLED
