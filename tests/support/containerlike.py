"""What a container takes from its processes: `python containerlike.py UID PROGRAM ARGUMENT...`.

The capabilities and system calls that Docker withholds by default are withheld here too: no
CAP_SYS_ADMIN, and unshare, setns, mount and clone with flags of namespaces fail with EPERM.
Control groups are out of reach, too.  Needs root; knows nothing but the standard
library and what lies beside it.
"""

import ctypes
import errno
import os
import struct
import sys

import no_control_groups

#: From linux/prctl.h.
PR_CAPBSET_DROP = 24
#: What Docker leaves (profiles of the engine): CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID,
#: SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP.
LEFT = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31})
CAPABILITIES = 64
#: Numbers by machine (scripts/syscall.tbl): seccomp, clone, and what is refused altogether:
#: unshare, setns, mount, umount2, pivot_root.
SECCOMP, CLONE, REFUSED = {
    "x86_64": (317, 56, (272, 308, 165, 166, 155)),
    "aarch64": (277, 220, (97, 268, 40, 39, 41)),
}[os.uname().machine]
#: The same on every architecture: open_tree, move_mount, fsopen, fsmount, mount_setattr; clone3.
REFUSED_TOO, CLONE3 = (428, 429, 430, 432, 442), 435
#: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (linux/sched.h).
NAMESPACES = 0x7E020000
SECCOMP_SET_MODE_FILTER = 1
#: Instructions and answers of a filter (linux/bpf_common.h, linux/seccomp.h).
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
#: Where a filter finds the call's number and its first argument.
NUMBER, FIRST_ARGUMENT = 0, 16


def _instruction(code: int, if_true: int, if_false: int, value: int) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _refuse(number: int, code: int) -> bytes:
    return _instruction(EQUAL, 0, 1, number) + _instruction(RETURN, 0, 0, ERRNO | code)


def _program() -> bytes:
    refusals = [_refuse(number, errno.EPERM) for number in REFUSED + REFUSED_TOO]
    return b"".join(
        (
            _instruction(LOAD, 0, 0, NUMBER),
            *refusals,
            _refuse(CLONE3, errno.ENOSYS),
            _instruction(EQUAL, 0, 3, CLONE),
            _instruction(LOAD, 0, 0, FIRST_ARGUMENT),
            _instruction(ANY_BIT, 0, 1, NAMESPACES),
            _instruction(RETURN, 0, 0, ERRNO | errno.EPERM),
            _instruction(RETURN, 0, 0, ALLOW),
        )
    )


def _install(libc: ctypes.CDLL) -> None:
    code = _program()
    held = ctypes.create_string_buffer(code, len(code))
    asked = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(held))
    if libc.syscall(SECCOMP, SECCOMP_SET_MODE_FILTER, 0, ctypes.c_char_p(asked)):
        raise OSError(ctypes.get_errno(), "seccomp")


def confine(uid: int) -> None:
    """Take from this process what a container would, and become the user."""
    no_control_groups.hide()
    give_up_rights(uid)


def give_up_rights(uid: int) -> None:
    """Take the capabilities and system calls, and become the user."""
    libc = ctypes.CDLL(None, use_errno=True)
    _install(libc)
    for capability in set(range(CAPABILITIES)) - LEFT:
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


if __name__ == "__main__":
    confine(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
