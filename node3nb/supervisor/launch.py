"""The job's first process: from a fork of its keeper to the job's own program."""

from __future__ import annotations

import os
import signal
import struct
from typing import NoReturn

from node3nb.supervisor import limits, linux
from node3nb.supervisor.orders import Grant, Order

#: What the job's process writes when it can't become the program: whether it was at the
#: program already, and an errno.
FAILURE = struct.Struct("!?i")
#: Above every descriptor the supervisor ever has: it starts with one and needs few a job.
DESCRIPTORS_END = 1 << 16


def become(order: Order, grant: Grant, fds: tuple[int, int, int]) -> NoReturn:
    """Turn this freshly forked process into the job; never returns.

    Parameters
    ----------
    order, grant
        The job.
    fds
        Descriptors that become standard output and standard error, and the one that reports
        a failure; the last is closed by the kernel when the program starts.
    """
    stdout, stderr, report = fds
    prepared = False
    try:
        os.setsid()
        linux.die_with_parent()
        _forget_signals()
        os.umask(0o022)
        os.chdir(order.cwd)
        report = _place_descriptors(stdout, stderr, report)
        linux.forbid_new_privileges()
        limits.apply(order, grant)
        prepared = True
        os.execvpe(order.argv[0], order.argv, order.env)  # noqa: S606 - a list, never a shell
    except Exception as error:  # noqa: BLE001 - whatever it is, the keeper has to know
        os.write(report, FAILURE.pack(prepared, getattr(error, "errno", None) or 0))
    finally:
        os._exit(125)


def _forget_signals() -> None:
    """Undo what Python and the supervisor arranged: signal dispositions survive an exec."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):
            continue


def _place_descriptors(stdout: int, stderr: int, report: int) -> int:
    """Leave exactly 0, 1, 2 and the report's descriptor open; return the latter."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    high = [os.dup(fd) for fd in (nothing, stdout, stderr, report)]
    while min(high) < 4:
        high = [os.dup(fd) for fd in high]
    for target, fd in enumerate(high[:3]):
        os.dup2(fd, target, inheritable=True)
    os.dup2(high[3], 3, inheritable=False)
    os.closerange(4, DESCRIPTORS_END)
    return 3
