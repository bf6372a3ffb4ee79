"""The classes of attack on an owner's machine, and which of them each level does not stop.

Measured by the attacks in `tests/security`, whose table has to agree with what is said here.
"""

from __future__ import annotations

from dataclasses import dataclass

from node3nb.jobs import Isolation


@dataclass(frozen=True, slots=True)
class AttackClass:
    """One way in which a job may try to harm its owner's machine."""

    #: A short name.
    name: str
    #: What a job could do, as the end of "a job may ...".
    told: str


READ_FILES = AttackClass("reading files", "read the owner's files")
FILE_FACTS = AttackClass(
    "file facts", "learn sizes and times of files whose names it guesses, and set their times"
)
WRITE_FILES = AttackClass("writing files", "change or add files of the owner's")
WRITE_INPUT = AttackClass("input", "change its own input")
OTHER_JOBS = AttackClass("other jobs", "read, change or signal other running jobs")
READ_PROCESSES = AttackClass(
    "reading processes", "read the memory, environment and open files of the owner's processes"
)
LIST_PROCESSES = AttackClass(
    "process list", "see which processes run here, with their command lines"
)
SIGNALS = AttackClass("signals", "end the owner's processes")
INHERITANCE = AttackClass("inheritance", "use open files and variables of the provider")
NETWORK = AttackClass("network", "reach this machine's services and the network behind it")
UNIX_SOCKETS = AttackClass(
    "local services", "reach services behind local sockets, as a container engine's"
)
IPC = AttackClass("shared memory", "reach shared memory and message queues of the owner's")
PRIVILEGES = AttackClass("privileges", "gain or use powers of root")
KERNEL_SURFACE = AttackClass("kernel", "use rare parts of the kernel, where its flaws are found")
TERMINAL = AttackClass("terminal", "write to the owner's terminals")
OWN_LIMITS = AttackClass("own limits", "loosen limits it was given, and take more cores")
PROCESSES = AttackClass("processes", "fill the machine with processes")
MEMORY = AttackClass("memory", "take more memory than its limit")
MEMORY_FILES = AttackClass("memory as files", "take more memory than its limit, as files in memory")
MOMENTS = AttackClass(
    "moments", "take more memory than its limit for the moment until that is measured"
)
DISK = AttackClass("disk", "take more of the disk than its limit")
TIME = AttackClass("time", "run longer than its limit, or stay after its end")
FLOOD = AttackClass("flood", "fill the disk with what it prints")
TRAPS = AttackClass("traps", "mislead whoever reads its outputs")

#: Every class there is, in the order in which they are told.
ALL = (
    READ_FILES,
    FILE_FACTS,
    WRITE_FILES,
    WRITE_INPUT,
    OTHER_JOBS,
    READ_PROCESSES,
    LIST_PROCESSES,
    SIGNALS,
    INHERITANCE,
    NETWORK,
    UNIX_SOCKETS,
    IPC,
    PRIVILEGES,
    KERNEL_SURFACE,
    TERMINAL,
    OWN_LIMITS,
    PROCESSES,
    MEMORY,
    MEMORY_FILES,
    MOMENTS,
    DISK,
    TIME,
    FLOOD,
    TRAPS,
)

#: What a job at `limits` shares with its owner, for being a process of the same user.
_SAME_USER = frozenset(
    {
        READ_FILES,
        FILE_FACTS,
        WRITE_FILES,
        WRITE_INPUT,
        OTHER_JOBS,
        LIST_PROCESSES,
        SIGNALS,
        NETWORK,
        UNIX_SOCKETS,
        IPC,
        TERMINAL,
        OWN_LIMITS,
    }
)
#: What a filter of system calls keeps from a job that nothing else does.
_FILTERED = frozenset({PRIVILEGES, KERNEL_SURFACE})


def not_stopped(
    level: str, *, root: bool, cgroup: bool, seccomp: bool = True, own_user: bool = False
) -> tuple[AttackClass, ...]:
    """Return what a job at a native level may do all the same, in the order of `ALL`.

    Parameters
    ----------
    level
        Isolation level of the jobs: namespaces, landlock or limits.
    root
        Whether root runs the provider.
    cgroup
        Whether each job is in a control group of its own.
    seccomp
        Whether a filter keeps system calls from jobs at `limits`; the other levels have one.
    own_user
        Whether each of root's jobs runs as a user of its own.
    """
    level = Isolation(level)
    left = _open_by_level(level, root=root, seccomp=seccomp)
    if not cgroup:
        left |= _uncounted(level, root=root and not own_user)
    return tuple(each for each in ALL if each in left)


def _open_by_level(level: Isolation, *, root: bool, seccomp: bool) -> frozenset[AttackClass]:
    if level is Isolation.LIMITS:
        by_user = {PRIVILEGES} if root else {READ_PROCESSES}
        return _SAME_USER | by_user | (frozenset() if seccomp else _FILTERED)
    return frozenset({FILE_FACTS, LIST_PROCESSES} if level is Isolation.LANDLOCK else ())


def _uncounted(level: Isolation, *, root: bool) -> frozenset[AttackClass]:
    """Return what is open for want of a control group; `root` is whether jobs run as root."""
    files = {MEMORY_FILES} if level is Isolation.LIMITS else frozenset[AttackClass]()
    return frozenset({MOMENTS} | files | ({PROCESSES} if root else frozenset()))
