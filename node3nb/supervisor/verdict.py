"""Why a job ended, from what was seen of its end."""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass

from node3nb.supervisor.disk import Written
from node3nb.supervisor.orders import Order
from node3nb.supervisor.room import FULL, Room
from node3nb.supervisor.watch import Cause, out_of_memory, over_disk, size

#: Exit codes of a program that could not be started, as every shell uses them (POSIX sh 2.8.2).
NOT_EXECUTABLE, NOT_FOUND = 126, 127


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the job's process did not become the job's program."""

    #: Whether all was prepared, so that the program is at fault and not we.
    prepared: bool
    #: An errno; 0 when there was none.
    number: int
    #: What failed, in a few words.
    words: str


@dataclass(frozen=True, slots=True)
class Account:
    """What was seen of a job's end."""

    #: Wait status of the main process; None when it was killed before it could be waited for.
    status: int | None
    #: Why its program could not be started; None when it was.
    failure: Failure | None
    #: Largest memory of the tree, in bytes.
    peak_memory_bytes: int
    #: What stands on the disk.
    written: Written
    #: Why the keeper ended it; None when it ended by itself.
    cause: Cause | None
    #: The last line on its standard error.
    last_words: bytes
    #: What room the disk had for it.
    room: Room


def ending(order: Order, account: Account) -> dict[str, object]:
    """Return reason, message, exit code and signal of the job's end."""
    code = None if account.status is None else os.waitstatus_to_exitcode(account.status)
    if account.failure is not None and account.cause is None:
        return _not_started(order.argv[0], account.failure)
    cause = account.cause or _cause(order, account, code)
    return {
        "reason": cause.reason,
        "message": cause.message,
        "exit_code": code if code is not None and code >= 0 else None,
        "signal": -code if code is not None and code < 0 else None,
    }


def without_account(cause: Cause, started: dict[str, object]) -> dict[str, object]:
    """Return the end of a job nobody can account for; `started` is what was told of its start."""
    return {
        "reason": cause.reason,
        "message": cause.message,
        "exit_code": None,
        "signal": None,
        "started_at": started.get("started_at", 0.0),
        "startup_ms": started.get("startup_ms", 0.0),
        "wall_s": 0.0,
        "cpu_s": 0.0,
        "peak_memory_bytes": 0,
        "peak_processes": 0,
        "written_bytes": 0,
        "stdout_truncated": False,
        "stderr_truncated": False,
    }


def keeper_ended(status: int) -> Cause:
    """Return the cause for a job whose keeper ended before it; `status` is its wait status."""
    code = os.waitstatus_to_exitcode(status)
    how = f"by {signal_name(-code)}" if code < 0 else f"with code {code}"
    told = f"The process that watched the job was ended {how}, and the job with it; run it again."
    return Cause("lost" if code < 0 else "internal", told)


def _not_started(program: str, failure: Failure) -> dict[str, object]:
    if not failure.prepared:
        told = f"The job's process could not be prepared ({failure.words}); run `node3nb doctor`."
        why = {"unprepared": failure.words}
        return {"reason": "internal", "message": told, "exit_code": None, "signal": None, **why}
    missing = failure.number in {errno.ENOENT, errno.ENOTDIR}
    fault = "was not found" if missing else f"can't be executed ({failure.words})"
    return {
        "reason": "exited",
        "message": f"command: the program {program[:200]!r} {fault}.",
        "exit_code": NOT_FOUND if missing else NOT_EXECUTABLE,
        "signal": None,
    }


def _cause(order: Order, account: Account, code: int | None) -> Cause:
    """Name the limit that ended a job which nobody stopped, or its own exit."""
    disk = over_disk(account.written, order)
    if disk is None and account.room.lacked(code):
        return FULL
    if disk or code == 0:
        return disk or Cause("exited", "")
    if account.peak_memory_bytes >= order.memory_bytes:
        return out_of_memory(account.peak_memory_bytes, order)
    if _says_out_of_memory(account.last_words):
        limit = size(order.memory_bytes)
        return Cause("out_of_memory", f"The job asked for more memory than its limit of {limit}.")
    return _own_end(code)


def _says_out_of_memory(last_words: bytes) -> bool:
    """Return whether the program died of a Python MemoryError, by its own words.

    The kernel refuses one allocation larger than the limit before it is memory, so nothing
    else tells of it.  A job that lies here only renames a failure that is its own anyway.
    """
    return last_words.partition(b":")[0].strip().endswith(b"MemoryError")


def _own_end(code: int | None) -> Cause:
    if code == -signal.SIGXFSZ:
        return Cause("disk_limit", "The job wrote one file up to its limit of bytes on disk.")
    if code is None:
        return Cause("internal", "The job's main process was lost from sight.")
    if code < 0:
        return Cause("signaled", f"The job was ended by {signal_name(-code)}.")
    return Cause("exited", f"The job exited with code {code}.")


def signal_name(number: int) -> str:
    """Return a signal as a person reads it."""
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
