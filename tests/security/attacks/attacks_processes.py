"""Attacks on processes of the owner and of other jobs, and on what a job inherits."""

import ctypes
import os
import signal

from attempt import TARGETS, Stopped, attack, main, system_call

#: From linux/ptrace.h.
PTRACE_SEIZE = 0x4206
#: Bytes a secret has at the most.
SECRET_BYTES = 64


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _search(file: str, name: bytes) -> str:
    """Return what follows `NAME=` in one of the /proc/PID files of that name."""
    refused = OSError(0, "nothing found")
    for pid in {TARGETS["victim"]["pid"], *_pids()}:
        try:
            with open(f"/proc/{pid}/{file}", "rb") as opened:
                held = opened.read()
        except OSError as error:
            refused = error if pid == TARGETS["victim"]["pid"] else refused
            continue
        if name in held:
            return held.partition(name)[2].partition(b"\0")[0].decode()
    raise refused


def _until_zero(data: bytes) -> str:
    return data.partition(b"\0")[0].decode()


@attack
def read_environ() -> str:
    """The environment of the owner's processes."""
    return _search("environ", b"OWNER_SECRET=")


@attack
def read_other_environ() -> str:
    """The environment of another running job."""
    return _search("environ", b"OTHER_SECRET=")


@attack
def list_command_lines() -> str:
    """What the owner's processes were started with."""
    return _search("cmdline", b"--token=")


@attack
def read_memory() -> str:
    """The memory of a process of the owner's, by /proc."""
    victim = TARGETS["victim"]
    with open(f"/proc/{victim['pid']}/mem", "rb", buffering=0) as memory:
        memory.seek(victim["address"])
        return _until_zero(memory.read(SECRET_BYTES))


@attack
def read_memory_by_call() -> str:
    """The same by process_vm_readv(2)."""
    victim = TARGETS["victim"]
    taken = ctypes.create_string_buffer(SECRET_BYTES)
    here = (ctypes.c_size_t * 2)(ctypes.addressof(taken), SECRET_BYTES)
    there = (ctypes.c_size_t * 2)(victim["address"], SECRET_BYTES)
    system_call("process_vm_readv", victim["pid"], here, 1, there, 1, 0)
    return _until_zero(taken.raw)


@attack
def open_keepers_memory() -> None:
    """The memory of whoever started the job and keeps its limits, opened for writing."""
    with open(f"/proc/{os.getppid()}/stat") as job:
        keeper = int(job.read().rpartition(")")[2].split()[1])
    if not keeper:
        raise Stopped("nobody is to be seen above the job")
    os.close(os.open(f"/proc/{keeper}/mem", os.O_RDWR))


@attack
def trace() -> None:
    """A process of the owner's as a debugger would hold it."""
    system_call("ptrace", PTRACE_SEIZE, TARGETS["victim"]["pid"], 0, 0)


@attack
def take_descriptor() -> str:
    """An open file of a process of the owner's."""
    victim = TARGETS["victim"]
    pidfd = os.pidfd_open(victim["pid"])
    taken = system_call("pidfd_getfd", pidfd, victim["descriptor"], 0)
    return os.pread(taken, SECRET_BYTES, 0).decode()


@attack
def kill_owner() -> None:
    """Kill a process of the owner's."""
    os.kill(TARGETS["prey"], signal.SIGKILL)


@attack
def signal_everybody() -> None:
    """Send all processes there are a signal."""
    os.kill(-1, signal.SIGURG)


@attack
def signal_other_job() -> None:
    """A signal that reaches another running job."""
    os.kill(-1, signal.SIGURG)


@attack
def use_inherited_descriptors() -> str:
    """Files that whoever started the job left open."""
    for fd in _INHERITED:
        return f"{fd} is {os.readlink(f'/proc/self/fd/{fd}')}"
    raise Stopped("there are none")


@attack
def read_inherited_environment() -> str:
    """The environment of whoever started the job."""
    if "OWNER_ENVIRONMENT" not in os.environ:
        raise Stopped("it is not there")
    return os.environ["OWNER_ENVIRONMENT"]


def _open_descriptors() -> list[int]:
    found = []
    for fd in range(3, 1024):
        try:
            os.fstat(fd)
        except OSError:
            continue
        found.append(fd)
    return found


_INHERITED = _open_descriptors()

if __name__ == "__main__":
    main()
