"""seccomp: which system calls a job may make (seccomp(2)).

A stranger's program may be any program, so this is a list of what is refused: what leads out of a
sandbox, what reaches other processes, and parts of the kernel that no job needs and that were ways
in before. What a newer kernel adds is refused until it has been judged.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat
import struct
from dataclasses import dataclass

from node3nb.supervisor.kernel import bpf, namespaces
from node3nb.supervisor.kernel.bpf import ALLOW, among, null, refuse
from node3nb.supervisor.kernel.calls import call
from node3nb.supervisor.kernel.syscall_numbers import LAST_KNOWN, numbers

#: From linux/seccomp.h.
_SET_MODE_FILTER, _GET_ACTION_AVAIL = 1, 2
#: A `struct sock_fprog` (linux/filter.h): how many instructions, and where they are.
_SOCK_FPROG = "@HP"
#: `AUDIT_ARCH_*` of linux/audit.h, in the words of `os.uname`.
_ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}

#: Refused in every sandbox. The mounts it is made of:
_MOUNTS = (
    *("mount", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_attr", "move_mount"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "statmount", "listmount"),
)
#: Its namespaces; `clone` is looked at more closely.
_NAMESPACES = ("unshare", "setns", "listns", "sethostname", "setdomainname")
#: The inside of other processes.
_PROCESSES = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease"),
    *("pidfd_getfd", "kcmp", "move_pages", "migrate_pages"),
)
#: Files found without their path; what others do with files.
_FILES = ("name_to_handle_at", "open_by_handle_at", "fanotify_init", "fanotify_mark", "ustat")
#: The kernel's own: programs in it, its keys, its log, its clock, its modules, its disks.
_KERNEL = (
    *("bpf", "perf_event_open", "userfaultfd", "vmsplice", "lookup_dcookie", "lsm_set_self_attr"),
    *("add_key", "request_key", "keyctl", "syslog", "vhangup", "acct", "reboot"),
    *("settimeofday", "clock_settime", "clock_adjtime", "adjtimex"),
    *("kexec_load", "kexec_file_load", "create_module", "init_module", "finit_module"),
    *("delete_module", "swapon", "swapoff", "quotactl", "quotactl_fd", "nfsservctl"),
    *("iopl", "ioperm", "modify_ldt", "uselib", "_sysctl"),
)
#: A job's processors are its share: it may not choose others.
_SHARE = ("sched_setaffinity",)
_REFUSED = (*_MOUNTS, *_NAMESPACES, *_PROCESSES, *_FILES, *_KERNEL, *_SHARE)
#: Refused as if the kernel did not have them, since programs do without. A filter sees neither what
#: io_uring is asked to do nor the flags of `clone3`; secret memory is counted nowhere.
_ABSENT = ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", "memfd_secret")
#: Memory in files without a name, which RLIMIT_DATA does not count.
_MEMFD = ("memfd_create",)
#: Objects that all processes of an IPC namespace share (sysvipc(7), mq_overview(7)).
_SYSTEM_V = (
    *("shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semctl", "semtimedop"),
    *("msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink"),
)
#: Who may do what with a file that is only named: Landlock looks at those that are opened.  A
#: change of mode is left undone in silence, since programs that copy files take no refusal.
_MODES = ("chmod", "fchmodat", "fchmodat2")
_OWNERS = (
    *("chown", "lchown", "fchownat", "file_setattr"),
    *("setxattr", "lsetxattr", "setxattrat", "removexattr", "lremovexattr", "removexattrat"),
)

#: Kinds of namespaces `clone` makes.
_NEW_NAMESPACES = (
    namespaces.NEWNS
    | namespaces.NEWCGROUP
    | namespaces.NEWUTS
    | namespaces.NEWIPC
    | namespaces.NEWUSER
    | namespaces.NEWPID
    | namespaces.NEWNET
)
#: Input typed in another's name (linux: asm-generic/ioctls.h).
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
#: The part of a mode that says what a file is (inode(7)).
_S_IFMT = 0o170000
#: Families of sockets (bits/socket.h), and `NETLINK_ROUTE`, which tells a host's addresses.
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK, _NETLINK_ROUTE = 1, 2, 10, 16, 0
#: Types of sockets without their flags (linux/net.h). A datagram may be sent to any address, also
#: over a socket that was born connected; for unix(7), `SOCK_RAW` is another word for it.
_SOCK_STREAM, _SOCK_DGRAM, _SOCK_RAW, _SOCK_SEQPACKET, _SOCK_TYPE_MASK = 1, 2, 3, 5, 0xF
#: A limit (asm-generic/resource.h).
_RLIMIT_RTTIME = 15
#: Whose priority is set (setpriority(2), ioprio_set(2)); the user's would be everybody's.
_PRIO_PROCESS, _PRIO_PGRP = 0, 1
_IOPRIO_WHO_PROCESS, _IOPRIO_WHO_PGRP = 1, 2

_EPERM, _ENOSYS, _UNDONE = refuse(errno.EPERM), refuse(errno.ENOSYS), refuse(0)
_NO_FAMILY = refuse(errno.EAFNOSUPPORT)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a job may use beyond what every job may."""

    #: Unix sockets of its own; without them only pairs that are connected to each other.
    unix_sockets: bool
    #: Internet sockets, and the list of the host's addresses.
    internet: bool
    #: Files in memory: where somebody else counts them.
    memfd: bool
    #: System V's and POSIX' shared objects: where their names are its own.
    system_v: bool
    #: Limits and priorities of other processes: where all that it can name are its own.
    other_processes: bool = False
    #: Modes, owners and attributes of files by their path: where no file of the owner's has one.
    file_modes: bool = True


def available() -> bool:
    """Return whether the kernel filters system calls, and we know those of this machine."""
    try:
        call("seccomp", _GET_ACTION_AVAIL, 0, struct.pack("=I", bpf.KILL_PROCESS))
    except OSError:
        return False
    return True


@functools.cache
def program(policy: Policy, machine: str = os.uname().machine) -> bytes:
    """Return the filter of a policy.

    Parameters
    ----------
    policy
        What the job may use.
    machine
        Whose system calls are meant, in the words of `os.uname`.
    """
    number = numbers(machine)
    answers = {number[name]: code for name, code in _answers(policy).items() if name in number}
    return bpf.assemble(_ARCHITECTURES[machine], answers, LAST_KNOWN, _ENOSYS)


def install(program: bytes) -> None:
    """Filter the calls of this thread and of all it will start, for good.

    Parameters
    ----------
    program
        The filter.

    Raises
    ------
    OSError
        `EACCES`: this process may still gain privileges (`linux.forbid_new_privileges`).
    """
    code = ctypes.create_string_buffer(program, len(program))
    length = len(program) // bpf.LENGTH
    call("seccomp", _SET_MODE_FILTER, 0, struct.pack(_SOCK_FPROG, length, ctypes.addressof(code)))


def _answers(policy: Policy) -> dict[str, bytes]:
    """Return the answer to each call that is not simply allowed."""
    absent = (
        *_ABSENT,
        *(() if policy.memfd else _MEMFD),
        *(() if policy.system_v else _SYSTEM_V),
    )
    return {
        **dict.fromkeys(_REFUSED, _EPERM),
        **({} if policy.file_modes else _on_names()),
        **dict.fromkeys(absent, _ENOSYS),
        **({} if policy.other_processes else _about_itself()),
        "clone": among(0, (0,), ALLOW, _EPERM, mask=_NEW_NAMESPACES),
        "ioctl": among(1, (_TIOCSTI, _TIOCLINUX), _EPERM, ALLOW),
        "mknod": _no_devices(1),
        "mknodat": _no_devices(2),
        "socket": _socket(policy),
        "socketpair": _socketpair(policy),
    }


def _on_names() -> dict[str, bytes]:
    return {**dict.fromkeys(_MODES, _UNDONE), **dict.fromkeys(_OWNERS, _EPERM)}


def _about_itself() -> dict[str, bytes]:
    """Allow limits and priorities of the caller only: Landlock does not look at these calls.

    One limit may be read but not set: jobs are known by it (`supervisor.marks`).
    """
    unset = null(2, ALLOW, _EPERM)
    own = {
        name: among(0, (0,), ALLOW, _EPERM)
        for name in ("sched_setparam", "sched_setscheduler", "sched_setattr")
    }
    own["prlimit64"] = among(0, (0,), among(1, (_RLIMIT_RTTIME,), unset, ALLOW), _EPERM)
    whose = among(1, (0,), ALLOW, _EPERM)
    return {
        **own,
        "setrlimit": among(0, (_RLIMIT_RTTIME,), _EPERM, ALLOW),
        "setpriority": among(0, (_PRIO_PROCESS, _PRIO_PGRP), whose, _EPERM),
        "ioprio_set": among(0, (_IOPRIO_WHO_PROCESS, _IOPRIO_WHO_PGRP), whose, _EPERM),
    }


def _no_devices(mode: int) -> bytes:
    """Allow files, pipes and sockets; the argument with their mode is given."""
    return among(mode, (stat.S_IFCHR, stat.S_IFBLK), _EPERM, ALLOW, mask=_S_IFMT)


def _socket(policy: Policy) -> bytes:
    internet = (_AF_INET, _AF_INET6) if policy.internet else ()
    unix = (_AF_UNIX,) if policy.unix_sockets else ()
    addresses = among(2, (_NETLINK_ROUTE,), ALLOW, _NO_FAMILY) if policy.internet else _NO_FAMILY
    return among(0, internet + unix, ALLOW, among(0, (_AF_NETLINK,), addresses, _NO_FAMILY))


def _socketpair(policy: Policy) -> bytes:
    addressed = (_SOCK_DGRAM, _SOCK_RAW) if policy.unix_sockets else ()
    types = (_SOCK_STREAM, _SOCK_SEQPACKET, *addressed)
    by_type = among(1, types, ALLOW, _EPERM, mask=_SOCK_TYPE_MASK)
    return among(0, (_AF_UNIX,), by_type, _NO_FAMILY)
