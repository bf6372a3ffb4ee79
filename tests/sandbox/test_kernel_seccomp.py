"""The filter on real processes."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import resource
import signal
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.forked import (
    ROOT_AND_STRANGER,
    STRANGER,
    error_of,
    errors_of,
    forked,
    linux_only,
    sleeping,
    status_of,
)

from node3nb.supervisor import linux
from node3nb.supervisor.kernel import namespaces, seccomp
from node3nb.supervisor.kernel.calls import NUMBERS, call
from node3nb.supervisor.kernel.seccomp import Policy

pytestmark = linux_only

STRICT = Policy(unix_sockets=False, internet=False, memfd=False, system_v=False)
FREE = Policy(unix_sockets=True, internet=True, memfd=True, system_v=True, other_processes=True)
#: `IPC_PRIVATE` with permissions, and `PTRACE_TRACEME`.
PRIVATE, PERMISSIONS, TRACEME = 0, 0o600, 0
SIGCHLD = 17
IOPRIO_WHO_PROCESS, BEST_EFFORT = 1, 2 << 13
OTHER = os.getpid()


def filtered(policy: Policy) -> None:
    linux.forbid_new_privileges()
    seccomp.install(seccomp.program(policy))


def opened(*arguments: int) -> None:
    socket.socket(*arguments).close()


def paired(kind: int) -> None:
    for end in socket.socketpair(socket.AF_UNIX, kind):
        end.close()


def raw(name: str, *arguments: int | bytes | None) -> Callable[[], object]:
    return lambda: call(name, *arguments)


def typed() -> None:
    fcntl.ioctl(0, 0x5412, b"x")


#: Each thing tried: what the strict filter says; 0 for nothing.
TRIED: dict[str, tuple[Callable[[], object], int]] = {
    "mount": (raw("mount", b"none", b"/", None, 1 << 18, None), errno.EPERM),
    "umount": (raw("umount2", b"/nowhere", 0), errno.EPERM),
    "pivot_root": (raw("pivot_root", b".", b"."), errno.EPERM),
    "unshare": (lambda: namespaces.unshare(namespaces.NEWUSER), errno.EPERM),
    "setns": (raw("setns", 0, 0), errno.EPERM),
    "clone a user namespace": (raw("clone", namespaces.NEWUSER | SIGCHLD, 0, 0), errno.EPERM),
    "clone3": (raw("clone3", bytes(88), 88), errno.ENOSYS),
    "ptrace": (raw("ptrace", TRACEME, 0, 0, 0), errno.EPERM),
    "process_vm_readv": (raw("process_vm_readv", OTHER, None, 0, None, 0, 0), errno.EPERM),
    "pidfd_getfd": (raw("pidfd_getfd", 0, 0, 0), errno.EPERM),
    "io_uring": (raw("io_uring_setup", 1, bytes(120)), errno.ENOSYS),
    "bpf": (raw("bpf", 0, bytes(64), 64), errno.EPERM),
    "perf": (raw("perf_event_open", bytes(128), 0, 0, 0, 0), errno.EPERM),
    "keyctl": (raw("keyctl", 0, 0, 0, 0, 0), errno.EPERM),
    "userfaultfd": (raw("userfaultfd", 0), errno.EPERM),
    "memfd": (lambda: os.close(os.memfd_create("m")), errno.ENOSYS),
    "memfd_secret": (raw("memfd_secret", 0), errno.ENOSYS),
    "shmget": (raw("shmget", PRIVATE, 4096, PERMISSIONS), errno.ENOSYS),
    "semget": (raw("semget", PRIVATE, 1, PERMISSIONS), errno.ENOSYS),
    "msgget": (raw("msgget", PRIVATE, PERMISSIONS), errno.ENOSYS),
    "mq_open": (raw("mq_open", b"queue", os.O_RDONLY, 0, None), errno.ENOSYS),
    "device": (lambda: os.mknod("/tmp/device", 0o020600, os.makedev(1, 3)), errno.EPERM),
    "unix socket": (lambda: opened(socket.AF_UNIX), errno.EAFNOSUPPORT),
    "tcp": (lambda: opened(socket.AF_INET), errno.EAFNOSUPPORT),
    "udp 6": (lambda: opened(socket.AF_INET6, socket.SOCK_DGRAM), errno.EAFNOSUPPORT),
    "netlink": (lambda: opened(socket.AF_NETLINK, socket.SOCK_RAW), errno.EAFNOSUPPORT),
    "vsock": (lambda: opened(socket.AF_VSOCK), errno.EAFNOSUPPORT),
    "alg": (lambda: opened(socket.AF_ALG, socket.SOCK_SEQPACKET), errno.EAFNOSUPPORT),
    "stream pair": (lambda: paired(socket.SOCK_STREAM), 0),
    "packet pair": (lambda: paired(socket.SOCK_SEQPACKET), 0),
    "datagram pair": (lambda: paired(socket.SOCK_DGRAM), errno.EPERM),
    "raw pair": (lambda: paired(socket.SOCK_RAW), errno.EPERM),
    "type for a terminal": (typed, errno.EPERM),
    "choose processors": (lambda: os.sched_setaffinity(0, {0}), errno.EPERM),
    "see processors": (lambda: os.sched_getaffinity(0), 0),
    "limit another": (
        lambda: resource.prlimit(OTHER, resource.RLIMIT_CORE, (0, 0)),
        errno.EPERM,
    ),
    "limit itself": (lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)), 0),
    "slow another": (lambda: os.setpriority(os.PRIO_PROCESS, OTHER, 19), errno.EPERM),
    "slow its user": (lambda: os.setpriority(os.PRIO_USER, 0, 19), errno.EPERM),
    "slow itself": (lambda: os.nice(1), 0),
    "idle another": (
        lambda: os.sched_setscheduler(OTHER, os.SCHED_IDLE, os.sched_param(0)),
        errno.EPERM,
    ),
    "pipe": (lambda: [os.close(fd) for fd in os.pipe()], 0),
    "landlock": (raw("landlock_create_ruleset", None, 0, 1), 0),
}


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_strict(uid: int) -> None:
    def tried() -> list[int]:
        filtered(STRICT)
        return errors_of(action for action, _ in TRIED.values())

    given = dict(zip(TRIED, forked(tried, uid=uid), strict=True))
    wanted = {name: error for name, (_, error) in TRIED.items()}
    assert given == wanted


#: What a policy may allow, and what is said instead then.
GRANTED = [
    ({"unix_sockets": True}, dict.fromkeys(("unix socket", "datagram pair", "raw pair"), 0)),
    ({"internet": True}, dict.fromkeys(("tcp", "udp 6", "netlink"), 0)),
    ({"memfd": True}, {"memfd": 0}),
    ({"system_v": True}, {"shmget": 0, "semget": 0, "msgget": 0, "mq_open": errno.ENOENT}),
]


@pytest.mark.parametrize(("granted", "instead"), GRANTED)
def test_granted(granted: dict[str, bool], instead: dict[str, int]) -> None:
    def tried() -> list[int]:
        namespaces.unshare(namespaces.NEWUSER | namespaces.NEWIPC)
        filtered(replace(STRICT, **granted))
        return errors_of(action for action, _ in TRIED.values())

    given = dict(zip(TRIED, forked(tried), strict=True))
    assert given == {name: error for name, (_, error) in TRIED.items()} | instead


def test_limits_of_others_where_all_are_its_own() -> None:
    def tried() -> int:
        filtered(FREE)
        child = sleeping()
        return error_of(lambda: os.setpriority(os.PRIO_PROCESS, child, 19))

    assert forked(tried) == 0


def test_modes_of_files_that_are_open(tmp_path: Path) -> None:
    def tried() -> list[int]:
        filtered(replace(STRICT, file_modes=False))
        file = os.open(tmp_path / "file", os.O_CREAT | os.O_WRONLY)
        named = os.open(tmp_path / "file", os.O_PATH)
        return errors_of(
            (
                lambda: os.chmod(tmp_path / "file", 0o777),
                lambda: os.chown(tmp_path / "file", os.getuid(), -1),
                lambda: os.setxattr(tmp_path / "file", "user.x", b""),
                lambda: os.fchmod(named, 0o777),
                lambda: os.fchmod(file, 0o700),
            )
        )

    assert forked(tried) == [0] + [errno.EPERM] * 2 + [errno.EBADF, 0]


def test_threads_and_children_are_filtered_too() -> None:
    def tried() -> list[int]:
        filtered(STRICT)
        found: list[int] = []
        thread = threading.Thread(
            target=lambda: found.append(error_of(lambda: opened(socket.AF_UNIX)))
        )
        thread.start()
        thread.join()
        if not (child := os.fork()):
            os._exit(error_of(lambda: opened(socket.AF_UNIX)))
        return [*found, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]

    assert forked(tried) == [errno.EAFNOSUPPORT] * 2


@pytest.mark.parametrize("uid", ROOT_AND_STRANGER)
def test_a_later_filter_takes_nothing_off(uid: int) -> None:
    def tried() -> int:
        filtered(STRICT)
        filtered(FREE)
        return error_of(lambda: opened(socket.AF_UNIX))

    assert forked(tried, uid=uid) == errno.EAFNOSUPPORT


def test_is_refused_to_who_may_gain_privileges() -> None:
    def tried() -> int:
        return error_of(lambda: seccomp.install(seccomp.program(STRICT)))

    assert forked(tried, uid=STRANGER) == errno.EACCES


@pytest.mark.skipif(platform.machine() != "x86_64", reason="a machine with a second table")
def test_x32_does_not_exist() -> None:
    def tried() -> int:
        filtered(STRICT)
        NUMBERS["x32 getpid"] = 0x40000000 | 39
        return error_of(lambda: call("x32 getpid"))

    assert forked(tried) == errno.ENOSYS


@pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86-64")
def test_a_32_bit_call_kills() -> None:
    def tried() -> None:
        linux.forbid_new_privileges()
        seccomp.install(seccomp.program(STRICT))
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20; int 0x80; ret
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        ctypes.CFUNCTYPE(ctypes.c_int)(address)()

    assert status_of(tried) == -signal.SIGSYS


def test_is_there() -> None:
    assert seccomp.available()


def test_is_not_there_where_the_call_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(NUMBERS, "seccomp")
    assert not seccomp.available()


def test_a_program_is_made_once() -> None:
    assert seccomp.program(STRICT) is seccomp.program(replace(STRICT))


def test_another_machine_has_its_own_program() -> None:
    machine = "aarch64" if platform.machine() == "x86_64" else "x86_64"
    assert seccomp.program(STRICT, machine) != seccomp.program(STRICT)
    assert len(seccomp.program(STRICT)) % struct.calcsize("=HBBI") == 0
