"""Tries attacks, each in a process of its own, and prints one line of JSON for each.

Travels into the job beside the attacks, so that it knows nothing but the standard library.
"""

import ctypes
import errno
import json
import os
import signal
import sys
from collections.abc import Callable

#: Seconds after which everything here ends by itself, should all else fail.
LIFE_S = 60
#: Seconds one attack gets.
PATIENCE_S = 8
#: What the job was told of its targets.
TARGETS = json.loads(os.environ.get("TARGETS", "{}"))
#: Numbers of system calls Python has no name for (scripts/syscall.tbl of the kernel).
NUMBERS = {
    "x86_64": {
        "shmget": 29,
        "shmat": 30,
        "clone": 56,
        "ptrace": 101,
        "mount": 165,
        "umount2": 166,
        "mq_open": 240,
        "mq_timedreceive": 243,
        "keyctl": 250,
        "unshare": 272,
        "perf_event_open": 298,
        "process_vm_readv": 310,
        "bpf": 321,
        "userfaultfd": 323,
    },
    "aarch64": {
        "umount2": 39,
        "mount": 40,
        "unshare": 97,
        "ptrace": 117,
        "mq_open": 180,
        "mq_timedreceive": 183,
        "shmget": 194,
        "shmat": 196,
        "keyctl": 219,
        "clone": 220,
        "perf_event_open": 241,
        "process_vm_readv": 270,
        "bpf": 280,
        "userfaultfd": 282,
    },
}[os.uname().machine] | {"io_uring_setup": 425, "clone3": 435, "pidfd_getfd": 438}

#: A function whose result is what it brings home.
Attack = Callable[[], str | None]
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_attacks: dict[str, Attack] = {}


class Stopped(Exception):
    """The attack found its way barred; the text says by what."""


def attack(function: Attack) -> Attack:
    """Make a function known as an attack; what it returns is its loot, an OSError stops it."""
    _attacks[function.__name__] = function
    return function


def system_call(name: str, *arguments: object) -> int:
    """Make one system call by name; return what it returns.

    Raises
    ------
    OSError
        The kernel refused it.
    """
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    answer = _libc.syscall(ctypes.c_long(NUMBERS[name]), *words)
    if answer == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return answer


def bound() -> None:
    """End this process, and every fork of it, after `LIFE_S`."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LIFE_S)
    os.register_at_fork(after_in_child=lambda: signal.alarm(LIFE_S))


def main() -> None:
    """Try the attacks named on the command line."""
    bound()
    for name in sys.argv[1:]:
        outcome, detail = _attempt(name)
        print(json.dumps({"attack": name, "outcome": outcome, "detail": detail}), flush=True)


def _attempt(name: str) -> tuple[str, str]:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(PATIENCE_S)
        os.write(writer, json.dumps(_try(name)).encode())
        os._exit(0)
    os.close(writer)
    told = os.read(reader, 1 << 16)
    os.close(reader)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if told:
        return json.loads(told)
    if code == -signal.SIGSYS:
        return "stopped", "the kernel ended the process for its system call"
    return "error", f"the attack ended without a word, with {code}"


def _try(name: str) -> tuple[str, str]:
    try:
        return "succeeded", str(_attacks[name]() or "")
    except Stopped as barred:
        return "stopped", str(barred)
    except OSError as refused:
        word = errno.errorcode.get(refused.errno or 0, "")
        return "stopped", f"{word} {refused.strerror or refused}"
    except Exception as fault:
        return "error", repr(fault)
