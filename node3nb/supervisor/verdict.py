"""Why a job ended, from what was seen of its end."""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass

from node3nb.supervisor.disk import Written
from node3nb.supervisor.orders import Order
from node3nb.supervisor.watch import Cause, out_of_memory, over_disk

#: Exit codes of a program that could not be started, as every shell uses them (POSIX sh 2.8.2).
NOT_EXECUTABLE, NOT_FOUND = 126, 127


@dataclass(frozen=True, slots=True)
class Account:
    """What was seen of a job's end."""

    #: Wait status of the main process; None when it was killed before it could be waited for.
    status: int | None
    #: Why its program could not be started; None when it was.
    exec_errno: int | None
    #: Largest memory of the tree, in bytes.
    peak_memory_bytes: int
    #: What stands on the disk.
    written: Written
    #: Why the keeper ended it; None when it ended by itself.
    cause: Cause | None


def ending(order: Order, account: Account) -> dict[str, object]:
    """Return reason, message, exit code and signal of the job's end."""
    code = None if account.status is None else os.waitstatus_to_exitcode(account.status)
    if account.exec_errno is not None:
        return _not_started(order.argv[0], account.exec_errno)
    cause = account.cause or _cause(order, account, code)
    return {
        "reason": cause.reason,
        "message": cause.message,
        "exit_code": code if code is not None and code >= 0 else None,
        "signal": -code if code is not None and code < 0 else None,
    }


def _not_started(program: str, number: int) -> dict[str, object]:
    missing = number in {errno.ENOENT, errno.ENOTDIR}
    fault = "was not found" if missing else f"can't be executed ({os.strerror(number)})"
    return {
        "reason": "exited",
        "message": f"command: the program {program[:200]!r} {fault}.",
        "exit_code": NOT_FOUND if missing else NOT_EXECUTABLE,
        "signal": None,
    }


def _cause(order: Order, account: Account, code: int | None) -> Cause:
    """Name the limit that ended a job which nobody stopped, or its own exit."""
    disk = over_disk(account.written, order)
    if disk:
        return disk
    if code == 0:
        return Cause("exited", "")
    if account.peak_memory_bytes >= order.memory_bytes:
        return out_of_memory(account.peak_memory_bytes, order)
    if code == -signal.SIGXFSZ:
        return Cause("disk_limit", "The job wrote one file up to its limit of bytes on disk.")
    if code is None:
        return Cause("internal", "The job's main process was lost from sight.")
    if code < 0:
        return Cause("signaled", f"The job was ended by {_signal_name(-code)}.")
    return Cause("exited", f"The job exited with code {code}.")


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
