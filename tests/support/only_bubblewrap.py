"""An ordinary user whom only bubblewrap may help: `python only_bubblewrap.py UID PROGRAM ARG...`.

As AppArmor has it on Ubuntu where a profile names bubblewrap: a program gets a user namespace, but
no other one within.  The real bubblewrap passes, since it makes all its namespaces by clone(2).
Needs root; knows nothing but the standard library.
"""

import ctypes
import errno
import os
import struct
import sys

#: Numbers by machine (scripts/syscall.tbl): seccomp, unshare, clone.
SECCOMP, UNSHARE, CLONE = {"x86_64": (317, 272, 56), "aarch64": (277, 97, 220)}[os.uname().machine]
#: From linux/sched.h.
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
SECCOMP_SET_MODE_FILTER = 1
#: Instructions and answers of a filter (linux/bpf_common.h, linux/seccomp.h).
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
#: Where a filter finds the call's number and its first argument.
NUMBER, FIRST_ARGUMENT = 0, 16


def _instruction(code: int, if_true: int, if_false: int, value: int) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _without(call: int, flags: int) -> bytes:
    """Refuse a call when any of the flags is in its first argument."""
    return b"".join(
        (
            _instruction(LOAD, 0, 0, NUMBER),
            _instruction(EQUAL, 0, 3, call),
            _instruction(LOAD, 0, 0, FIRST_ARGUMENT),
            _instruction(ANY_BIT, 0, 1, flags),
            _instruction(RETURN, 0, 0, ERRNO | errno.EPERM),
        )
    )


def confine(uid: int, refused: dict[int, int]) -> None:
    """Refuse calls with some flags to this process and all it starts, and become the user."""
    filters = b"".join(_without(call, flags) for call, flags in refused.items())
    code = filters + _instruction(RETURN, 0, 0, ALLOW)
    held = ctypes.create_string_buffer(code, len(code))
    asked = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(SECCOMP, SECCOMP_SET_MODE_FILTER, 0, ctypes.c_char_p(asked)):
        raise OSError(ctypes.get_errno(), "seccomp")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


if __name__ == "__main__":
    confine(int(sys.argv[1]), {UNSHARE: CLONE_NEWNS})
    os.execv(sys.argv[2], sys.argv[2:])
