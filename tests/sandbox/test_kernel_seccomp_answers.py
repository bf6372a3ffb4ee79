"""What the filters answer, on both machines, to every call there is."""

from __future__ import annotations

import errno
import re
import stat
import struct
import subprocess
from dataclasses import replace

import pytest
from support import bpf, needs

from node3nb.supervisor.kernel.seccomp import Policy, program
from node3nb.supervisor.kernel.syscall_numbers import LAST_KNOWN, numbers

MACHINES = ("x86_64", "aarch64")
STRICT = Policy(unix_sockets=False, internet=False, memfd=False, system_v=False)
FREE = Policy(unix_sockets=True, internet=True, memfd=True, system_v=True, other_processes=True)
#: Words for the answers.
ALLOWED, KILLED = "allowed", "killed"
X32 = 0x40000000
NOBODYS = [
    *("mount", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_attr"),
    *("move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"),
    *("statmount", "listmount", "unshare", "setns", "listns", "sethostname"),
    *("setdomainname", "ptrace", "process_vm_readv", "process_vm_writev"),
    *("process_madvise", "process_mrelease", "pidfd_getfd", "kcmp", "move_pages"),
    *("migrate_pages", "name_to_handle_at", "open_by_handle_at", "fanotify_init"),
    *("fanotify_mark", "ustat", "bpf", "perf_event_open", "userfaultfd", "vmsplice"),
    *("lookup_dcookie", "lsm_set_self_attr", "add_key", "request_key", "keyctl"),
    *("syslog", "vhangup", "acct", "reboot", "settimeofday", "clock_settime"),
    *("clock_adjtime", "adjtimex", "kexec_load", "kexec_file_load", "create_module"),
    *("init_module", "finit_module", "delete_module", "swapon", "swapoff", "quotactl"),
    *("quotactl_fd", "nfsservctl", "iopl", "ioperm", "modify_ldt", "uselib", "_sysctl"),
    "sched_setaffinity",
]
MISSING = ["io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", "memfd_secret"]
SYSTEM_V = [
    *("shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semctl", "semtimedop"),
    *("msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink"),
]
BY_ARGUMENT = {"clone", "ioctl", "mknod", "mknodat", "socket", "socketpair"}
ABOUT_PROCESSES = {
    *("prlimit64", "sched_setparam", "sched_setscheduler", "sched_setattr"),
    *("setpriority", "ioprio_set", "setrlimit"),
}
#: Each call: arguments, and what the strict policy and the free one answer.
CASES = [
    ("clone", (0x11,), ALLOWED, ALLOWED),
    ("clone", (0x003D0F00,), ALLOWED, ALLOWED),  # a thread
    ("clone", (0x10000011,), "EPERM", "EPERM"),
    ("clone", (0x00020011,), "EPERM", "EPERM"),
    ("clone", (0x02000011,), "EPERM", "EPERM"),
    ("clone", (0x04000011,), "EPERM", "EPERM"),
    ("clone", (0x08000011,), "EPERM", "EPERM"),
    ("clone", (0x20000011,), "EPERM", "EPERM"),
    ("clone", (0x40000011,), "EPERM", "EPERM"),
    ("ioctl", (0, 0x5401), ALLOWED, ALLOWED),
    ("ioctl", (0, 0x5412), "EPERM", "EPERM"),
    ("ioctl", (0, 0x541C), "EPERM", "EPERM"),
    ("ioctl", (0, 0x1_0000_5412), "EPERM", "EPERM"),
    ("mknodat", (0, 0, stat.S_IFREG | 0o600), ALLOWED, ALLOWED),
    ("mknodat", (0, 0, stat.S_IFIFO | 0o600), ALLOWED, ALLOWED),
    ("mknodat", (0, 0, stat.S_IFCHR | 0o600), "EPERM", "EPERM"),
    ("mknodat", (0, 0, stat.S_IFBLK | 0o600), "EPERM", "EPERM"),
    ("socket", (1, 1), "EAFNOSUPPORT", ALLOWED),
    ("socket", (2, 1), "EAFNOSUPPORT", ALLOWED),
    ("socket", (10, 2), "EAFNOSUPPORT", ALLOWED),
    ("socket", (16, 3, 0), "EAFNOSUPPORT", ALLOWED),
    ("socket", (16, 3, 4), "EAFNOSUPPORT", "EAFNOSUPPORT"),
    ("socket", (17, 3), "EAFNOSUPPORT", "EAFNOSUPPORT"),
    ("socket", (38, 5), "EAFNOSUPPORT", "EAFNOSUPPORT"),
    ("socket", (40, 1), "EAFNOSUPPORT", "EAFNOSUPPORT"),
    ("socketpair", (1, 1), ALLOWED, ALLOWED),
    ("socketpair", (1, 1 | 0x80800), ALLOWED, ALLOWED),
    ("socketpair", (1, 5), ALLOWED, ALLOWED),
    ("socketpair", (1, 2), "EPERM", ALLOWED),
    ("socketpair", (1, 2 | 0x80800), "EPERM", ALLOWED),
    ("socketpair", (1, 3), "EPERM", ALLOWED),
    ("socketpair", (30, 1), "EAFNOSUPPORT", "EAFNOSUPPORT"),
    ("prlimit64", (0, 7), ALLOWED, ALLOWED),
    ("prlimit64", (77, 7), "EPERM", ALLOWED),
    ("prlimit64", (0, 15, 0), ALLOWED, ALLOWED),  # the mark of a job, read
    ("prlimit64", (0, 15, 0x1000), "EPERM", ALLOWED),
    ("prlimit64", (0, 15, 0x1_0000_0000), "EPERM", ALLOWED),
    ("setrlimit", (15, 0x1000), "EPERM", ALLOWED),
    ("setrlimit", (7, 0x1000), ALLOWED, ALLOWED),
    ("sched_setscheduler", (0, 5), ALLOWED, ALLOWED),
    ("sched_setscheduler", (77, 5), "EPERM", ALLOWED),
    ("sched_setparam", (77,), "EPERM", ALLOWED),
    ("sched_setattr", (77,), "EPERM", ALLOWED),
    ("setpriority", (0, 0, 5), ALLOWED, ALLOWED),
    ("setpriority", (1, 0, 5), ALLOWED, ALLOWED),
    ("setpriority", (0, 77, 5), "EPERM", ALLOWED),
    ("setpriority", (2, 0, 5), "EPERM", ALLOWED),
    ("ioprio_set", (1, 0), ALLOWED, ALLOWED),
    ("ioprio_set", (1, 77), "EPERM", ALLOWED),
    ("ioprio_set", (3, 0), "EPERM", ALLOWED),
]
#: Numbers of the kernel's headers, and what a C compiler is told to see those of aarch64.
HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", ()),
    "aarch64": (
        "/usr/include/asm-generic/unistd.h",
        (
            *("-D__BITS_PER_LONG=64", "-D__ARCH_WANT_SYS_CLONE3", "-D__ARCH_WANT_MEMFD_SECRET"),
            "-D__ARCH_WANT_SET_GET_RLIMIT",
        ),
    ),
}

#: Calls that a system's headers may not have yet.
NEWER = {
    "fchmodat2",
    "setxattrat",
    "removexattrat",
    "file_setattr",
    "statmount",
    "listmount",
    "lsm_set_self_attr",
    "open_tree_attr",
    "listns",
}


#: What a policy without `file_modes` refuses besides.
FILE_MODES = {
    *("chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat", "file_setattr"),
    *("setxattr", "lsetxattr", "setxattrat", "removexattr", "lremovexattr", "removexattrat"),
}


def answer(machine: str, policy: Policy, number: int, *arguments: int) -> str:
    code = bpf.run(program(policy, machine), bpf.ARCHITECTURES[machine], number, *arguments)
    return in_words(code)


#: The answer to a call that is left undone without a word.
UNDONE = "undone"


def in_words(code: int) -> str:
    if code & 0xFFFF0000 == bpf.ERRNO:
        return errno.errorcode.get(code & 0xFFFF, UNDONE)
    return {bpf.ALLOW: ALLOWED, bpf.KILL_PROCESS: KILLED}[code]


def expected(machine: str, policy: Policy) -> dict[int, str]:
    """Return the answer to each call that the arguments do not decide and that is not allowed."""
    absent = MISSING + ([] if policy.memfd else ["memfd_create"])
    absent += [] if policy.system_v else SYSTEM_V
    words = dict.fromkeys(NOBODYS, "EPERM") | dict.fromkeys(absent, "ENOSYS")
    known = numbers(machine)
    return {known[name]: word for name, word in words.items() if name in known}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("policy", [STRICT, FREE], ids=["strict", "free"])
def test_every_call(machine: str, policy: Policy) -> None:
    words, known = expected(machine, policy), numbers(machine)
    decided = {known[name] for name in BY_ARGUMENT | ABOUT_PROCESSES if name in known}
    wrong = {
        number: given
        for number in range(LAST_KNOWN + 1)
        if number not in decided
        and (given := answer(machine, policy, number)) != words.get(number, ALLOWED)
    }
    assert wrong == {}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("policy", [STRICT, FREE], ids=["strict", "free"])
def test_what_is_newer_than_the_list_does_not_exist(machine: str, policy: Policy) -> None:
    numbers = (*range(LAST_KNOWN + 1, 1024), *(X32 + low for low in (0, 56, 165, 272)), X32 * 2, -1)
    assert {answer(machine, policy, number) for number in numbers} == {"ENOSYS"}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("name", "arguments", "strict", "free"), CASES)
def test_arguments(
    machine: str, name: str, arguments: tuple[int, ...], strict: str, free: str
) -> None:
    number = numbers(machine)[name]
    assert answer(machine, STRICT, number, *arguments) == strict
    assert answer(machine, FREE, number, *arguments) == free


def test_devices_by_their_old_call() -> None:
    number = numbers("x86_64")["mknod"]
    assert answer("x86_64", FREE, number, 0, stat.S_IFCHR) == "EPERM"
    assert answer("x86_64", FREE, number, 0, stat.S_IFIFO) == ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
def test_modes_of_files_that_are_only_named(machine: str) -> None:
    known, closed = numbers(machine), replace(FREE, file_modes=False)
    changed = {
        number
        for number in range(LAST_KNOWN + 1)
        if answer(machine, FREE, number) != answer(machine, closed, number)
    }
    assert changed == {known[name] for name in FILE_MODES if name in known}
    answers = {answer(machine, closed, number) for number in changed}
    assert answers == {"EPERM", UNDONE}


@pytest.mark.parametrize("machine", MACHINES)
def test_another_architecture_is_killed(machine: str) -> None:
    others = {*bpf.ARCHITECTURES.values(), bpf.I386} - {bpf.ARCHITECTURES[machine]}
    code = program(STRICT, machine)
    answers = {in_words(bpf.run(code, other, number)) for other in others for number in range(600)}
    assert answers == {KILLED}


@pytest.mark.parametrize("machine", MACHINES)
def test_a_call_takes_few_steps(machine: str) -> None:
    code = program(STRICT, machine)
    assert len(code) // struct.calcsize(bpf.INSTRUCTION) <= 300
    assert max(map(bpf.steps, [code] * LAST_KNOWN, range(LAST_KNOWN))) <= 20


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_the_kernels(machine: str) -> None:
    header, defined = HEADERS[machine]
    command = ["cc", "-dM", "-E", "-xc", *defined, header]
    try:
        macros = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.CalledProcessError):
        needs.miss("there is no C compiler, or there are no headers of the kernel")
    plain = dict(re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)", macros.stdout))
    ours = numbers(machine)
    assert {name: number for name, number in ours.items() if name not in plain}.keys() <= NEWER
    assert {n: int(plain[n]) for n in ours if n in plain} == {
        n: ours[n] for n in ours if n in plain
    }
