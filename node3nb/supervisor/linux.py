"""The few system calls Python has no name for; each does nothing where the kernel lacks it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

#: From linux/prctl.h.
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_GET_CHILD_SUBREAPER = 37
PR_SET_NO_NEW_PRIVS = 38
#: Number of kcmp(2) (scripts/syscall.tbl, include/uapi/asm-generic/unistd.h), and its KCMP_VM.
_KCMP = {"x86_64": 312, "aarch64": 272, "riscv64": 272}.get(os.uname().machine)
_KCMP_VM = 1

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _prctl(option: int, argument: int) -> bool:
    return _libc is not None and _libc.prctl(option, argument, 0, 0, 0) == 0


def adopt_orphans() -> bool:
    """Make this process the parent of every descendant whose own parent ends."""
    return _prctl(PR_SET_CHILD_SUBREAPER, 1)


def adopts_orphans() -> bool:
    """Return whether this process is the parent of every orphan below it."""
    answer = ctypes.c_int(0)
    if _libc is None or _libc.prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0):
        return False
    return bool(answer.value)


def die_with_parent() -> bool:
    """Have the kernel kill this process when the thread that forked it ends."""
    return _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def forbid_new_privileges() -> bool:
    """Make setuid and setgid programs ordinary ones, for this process and all it starts."""
    return _prctl(PR_SET_NO_NEW_PRIVS, 1)


def hide_from_peers() -> bool:
    """Keep processes of our own user from reading our memory and tracing us."""
    return _prctl(PR_SET_DUMPABLE, 0)


def show_to_peers() -> bool:
    """Undo what a change of user does: let our own user read our memory, as after an exec."""
    return _prctl(PR_SET_DUMPABLE, 1)


def share_memory(one: int, other: int) -> bool:
    """Return whether two processes are known to run in one address space, as after vfork(2)."""
    if _libc is None or _KCMP is None:
        return False
    return bool(_libc.syscall(_KCMP, one, other, _KCMP_VM, 0, 0) == 0)
