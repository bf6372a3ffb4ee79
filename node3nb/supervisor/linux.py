"""The few system calls Python has no name for; each does nothing where the kernel lacks it."""

from __future__ import annotations

import ctypes
import signal
import sys

#: From linux/prctl.h.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _prctl(option: int, argument: int) -> bool:
    return _libc is not None and _libc.prctl(option, argument, 0, 0, 0) == 0


def adopt_orphans() -> bool:
    """Make this process the parent of every descendant whose own parent ends."""
    return _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> bool:
    """Have the kernel kill this process when the thread that forked it ends."""
    return _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def forbid_new_privileges() -> bool:
    """Make setuid and setgid programs ordinary ones, for this process and all it starts."""
    return _prctl(PR_SET_NO_NEW_PRIVS, 1)
