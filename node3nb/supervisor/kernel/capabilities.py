"""Root's powers, given away for good (capabilities(7))."""

from __future__ import annotations

import errno
import functools
import os
import struct

from node3nb.supervisor.kernel.calls import call

#: From linux/prctl.h.
_PR_CAPBSET_DROP = 24
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
#: From linux/securebits.h, each with its lock beside it: user 0 is nobody special, a change of user
#: changes no capabilities, and none is passed on to the next program.
_SECBIT_NOROOT = 0b11 << 0
_SECBIT_NO_SETUID_FIXUP = 0b11 << 2
_SECBIT_KEEP_CAPS_LOCKED = 1 << 5
_SECBIT_NO_CAP_AMBIENT_RAISE = 0b11 << 6
_NOTHING_REGAINED = (
    _SECBIT_NOROOT
    | _SECBIT_NO_SETUID_FIXUP
    | _SECBIT_KEEP_CAPS_LOCKED
    | _SECBIT_NO_CAP_AMBIENT_RAISE
)
#: From linux/capability.h: the layout with 64 bits in each set.
_LINUX_CAPABILITY_VERSION_3 = 0x20080522
#: Capabilities there may ever be: the bits of a set.
_CAPABILITIES = 64


def drop_all() -> None:
    """Be without any capability, and without a way to get one.

    Without capabilities there is nothing to empty the bounding set with: then it stays, of no use
    to a process that may gain no privileges (`linux.forbid_new_privileges`).

    Raises
    ------
    OSError
        The kernel does not let us.
    """
    empty_bounding_set()
    _where_permitted(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _where_permitted(_PR_SET_SECUREBITS, _NOTHING_REGAINED)
    drop_own()


def drop_own() -> None:
    """Be without any capability, in a process that never becomes another program.

    Raises
    ------
    OSError
        The kernel does not let us.
    """
    header = struct.pack("=Ii", _LINUX_CAPABILITY_VERSION_3, 0)
    call("capset", header, bytes(3 * _CAPABILITIES // 8))


def become(uid: int, gid: int) -> None:
    """Be another user for good, in no other group than the one given.

    The bounding set is emptied before, since afterwards nothing is left to do it with.

    Raises
    ------
    OSError
        We are not root.
    """
    empty_bounding_set()
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


@functools.cache
def empty_bounding_set() -> None:
    """Leave no capability that a program could be given; a process forked after that needs not.

    A user namespace joined later would bring a full one (user_namespaces(7)).
    """
    for capability in range(_CAPABILITIES):
        if not _where_permitted(_PR_CAPBSET_DROP, capability):
            return


def _where_permitted(option: int, argument: int) -> bool:
    """Return whether a prctl(2) was permitted, and the kernel knows what it is about."""
    try:
        call("prctl", option, argument, 0, 0, 0)
    except OSError as error:
        if error.errno in {errno.EPERM, errno.EINVAL}:
            return False
        raise
    return True
