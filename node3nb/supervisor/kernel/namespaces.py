"""Namespaces: views of the machine that end with the processes in them (namespaces(7))."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct

from node3nb.supervisor.kernel.calls import call

#: Kinds of namespaces (linux/sched.h).
NEWNS = 0x0002_0000
NEWCGROUP = 0x0200_0000
NEWUTS = 0x0400_0000
NEWIPC = 0x0800_0000
NEWUSER = 0x1000_0000
NEWPID = 0x2000_0000
NEWNET = 0x4000_0000
#: Makes the child that of our own parent (linux/sched.h).
_CLONE_PARENT = 0x0000_8000
#: Sets the flags of a network interface (linux/sockios.h), and two of them (linux/if.h).
_SIOCSIFFLAGS = 0x8914
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
#: A `struct ifreq` that holds flags: name, flags, and the rest of 40 bytes.
_IFREQ = "16sH22x"


def unshare(kinds: int) -> None:
    """Have new namespaces of some kinds; a new process namespace begins with the next child.

    Raises
    ------
    OSError
        `EPERM`, or `ENOSPC` where user namespaces are switched off.
    """
    call("unshare", kinds)


def clone(kinds: int) -> int:
    """Fork into new namespaces of some kinds; returns 0 in the child, which our parent has.

    Neither Python nor the C library is told: until the child forks in its turn it must do without
    threads, locks, and signals to itself.

    Raises
    ------
    OSError
        As for `unshare`.
    """
    return call("clone", kinds | _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)


def join(namespace: int, kind: int) -> None:
    """Go into a namespace that is held open.

    Parameters
    ----------
    namespace
        Its descriptor.
    kind
        Which kind it has to be of.
    """
    call("setns", namespace, kind)


def new_user(uid_inside: int) -> None:
    """Have a user namespace in which we, user and group, have a number, and nobody else has one.

    Raises
    ------
    OSError
        The kernel lets this process have the namespace but no users in it, as AppArmor does on
        Ubuntu 23.10 and later.
    """
    uid, gid = os.getuid(), os.getgid()
    unshare(NEWUSER)
    _write("/proc/self/uid_map", f"{uid_inside} {uid} 1")
    _write("/proc/self/setgroups", "deny")  # or gid_map is closed to an ordinary user
    _write("/proc/self/gid_map", f"{uid_inside} {gid} 1")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode("ascii"))
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(fd)


def raise_loopback() -> None:
    """Switch on the loopback interface of a new network namespace, 127.0.0.1 and ::1."""
    request = struct.pack(_IFREQ, b"lo", _IFF_UP | _IFF_RUNNING)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def set_hostname(name: str) -> None:
    """Give the machine another name within our UTS namespace."""
    socket.sethostname(name)


def open_namespace(pid: int, kind: str) -> int:
    """Return a descriptor that holds a process's namespace.

    Parameters
    ----------
    pid
        The process.
    kind
        Name in /proc/PID/ns: `mnt`, `user`, …
    """
    return os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
