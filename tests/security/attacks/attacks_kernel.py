"""Attacks on the kernel's rarer powers, and on the limits a job has been given."""

import ctypes
import fcntl
import glob
import mmap
import os
import platform
import resource
import stat
import struct
import subprocess
import termios
import time

from attempt import TARGETS, Stopped, attack, main, system_call

#: From linux/sched.h.
CLONE_NEWUSER = 0x10000000
SIGCHLD = 17
#: From linux/keyctl.h: KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING.
GET_KEYRING_ID, SESSION_KEYRING = 0, -3
#: From linux/bpf.h: BPF_MAP_CREATE, BPF_MAP_TYPE_ARRAY.
MAP_CREATE, TYPE_ARRAY = 0, 2
#: From linux/userfaultfd.h.
UFFD_USER_MODE_ONLY = 1
#: From linux/perf_event.h: PERF_TYPE_SOFTWARE; exclude_kernel and exclude_hv among the flags.
TYPE_SOFTWARE, ONLY_THE_USERS = 1, 1 << 5 | 1 << 6
#: From linux/mount.h.
MNT_DETACH = 2
#: Programs that change their user on every system that has them.
SETUID_PROGRAMS = ("/usr/bin/su", "/bin/su", "/usr/bin/passwd", "/usr/bin/newgrp")
#: A user that is neither root nor any of the tests' own.
SOMEBODY = 4321


@attack
def user_namespace_unshare() -> None:
    """Root in a user namespace of the job's own, by unshare(2)."""
    system_call("unshare", CLONE_NEWUSER)


@attack
def user_namespace_clone() -> None:
    """The same by clone(2)."""
    _leave_child(system_call("clone", CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0))


@attack
def user_namespace_clone3() -> None:
    """The same by clone3(2), whose flags no filter can read."""
    arguments = struct.pack("11Q", CLONE_NEWUSER, 0, 0, 0, SIGCHLD, 0, 0, 0, 0, 0, 0)
    _leave_child(system_call("clone3", ctypes.c_char_p(arguments), len(arguments)))


def _leave_child(child: int) -> None:
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


@attack
def mount() -> None:
    """A file system of the job's own choice."""
    os.makedirs("mounted", exist_ok=True)
    kind = ctypes.c_char_p(b"tmpfs")
    system_call("mount", kind, ctypes.c_char_p(b"mounted"), kind, 0, 0)
    system_call("umount2", ctypes.c_char_p(b"mounted"), MNT_DETACH)


@attack
def make_device() -> None:
    """A device file, which leads past all files' permissions."""
    os.mknod("device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.remove("device")


@attack
def own_for_another() -> None:
    """What only root may: give a file to somebody else."""
    with open("given", "w"):
        os.chown("given", SOMEBODY, SOMEBODY)
    os.remove("given")


@attack
def setuid_program() -> None:
    """Root by a program that changes its user."""
    program = next((path for path in SETUID_PROGRAMS if _changes_user(path)), None)
    if program is None:
        raise Stopped("no such program is there")
    with subprocess.Popen([program], stdin=-1, stdout=-1, stderr=-1) as started:
        time.sleep(0.2)
        try:
            with open(f"/proc/{started.pid}/status") as status:
                users = next(line.split()[1:3] for line in status if line.startswith("Uid:"))
        finally:
            started.kill()
    if users[0] == users[1]:
        raise Stopped("the program ran without its owner's powers")


def _changes_user(path: str) -> bool:
    return os.path.exists(path) and bool(os.stat(path).st_mode & stat.S_ISUID)


@attack
def io_uring() -> None:
    """A ring that makes system calls past every filter."""
    system_call("io_uring_setup", 1, ctypes.create_string_buffer(120))


@attack
def bpf() -> None:
    """A program, or here a map, inside the kernel."""
    asked = struct.pack("5I", TYPE_ARRAY, 4, 4, 1, 0).ljust(128, b"\0")
    system_call("bpf", MAP_CREATE, ctypes.c_char_p(asked), len(asked))


@attack
def kernel_keys() -> None:
    """The kernel's store of keys, which knows no namespaces."""
    system_call("keyctl", GET_KEYRING_ID, SESSION_KEYRING, 0, 0, 0)


@attack
def page_faults() -> None:
    """Page faults served by the job, the tool of many kernel exploits."""
    system_call("userfaultfd", UFFD_USER_MODE_ONLY)


@attack
def performance_events() -> None:
    """The kernel's performance counters."""
    asked = struct.pack("IIQQQQQ", TYPE_SOFTWARE, 112, 0, 0, 0, 0, ONLY_THE_USERS)
    asked = asked.ljust(112, b"\0")
    system_call("perf_event_open", ctypes.c_char_p(asked), 0, -1, -1, 0)


@attack
def foreign_calls() -> None:
    """System calls by the 32-bit gate, whose numbers mean something else."""
    if platform.machine() != "x86_64":
        raise Stopped("this processor has no such gate")
    # mov eax, 20 (getpid of i386); int 0x80; ret
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    if ctypes.CFUNCTYPE(ctypes.c_int)(address)() != os.getpid():
        raise Stopped("the kernel does not know the call")


@attack
def write_sysctl() -> None:
    """A setting of the whole kernel, opened for writing and left as it is."""
    os.close(os.open("/proc/sys/vm/overcommit_memory", os.O_WRONLY))


@attack
def write_terminal() -> None:
    """The owner's terminal."""
    terminal = os.open(TARGETS["terminal"], os.O_WRONLY | os.O_NOCTTY)
    os.write(terminal, f"{TARGETS['token']}:write_terminal;".encode())


@attack
def type_in_terminal() -> None:
    """Keys pressed in the owner's terminal by TIOCSTI."""
    os.setsid()
    terminal = os.open(TARGETS["terminal"], os.O_RDWR)
    fcntl.ioctl(terminal, termios.TIOCSTI, b"x")


@attack
def raise_limits() -> None:
    """More descriptors than the job was given."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))
    except ValueError as refused:
        raise Stopped(str(refused)) from None


@attack
def lower_oom_score() -> None:
    """Not to be the first to end when the machine runs out of memory."""
    with open("/proc/self/oom_score_adj", "r+") as score:
        had = int(score.read())
        score.seek(0)
        score.write(str(had - 1))


@attack
def leave_control_group() -> None:
    """The control group of the whole machine, opened so that the job could join it."""
    places = glob.glob("/sys/fs/cgroup/cgroup.procs") + glob.glob("/sys/fs/cgroup/*/cgroup.procs")
    if not places:
        raise Stopped("there are no control groups")
    os.close(os.open(places[0], os.O_WRONLY))


@attack
def take_priority() -> None:
    """A larger share of the processors than what nobody else wants."""
    if os.sched_getscheduler(0) == os.SCHED_IDLE:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    else:
        os.nice(-1)


@attack
def take_all_cores() -> None:
    """Cores that the job was not granted."""
    granted = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    if os.sched_getaffinity(0) <= granted:
        raise Stopped("there are no others")


if __name__ == "__main__":
    main()
