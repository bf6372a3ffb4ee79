"""An ordinary user who may make no namespaces: `python no_user_namespaces.py PROGRAM ARGUMENT...`.

They are switched off in a user namespace of our own, never in the host's, so that any user can
run this; knows nothing but the standard library.
"""

import ctypes
import os
import sys

#: From linux/sched.h.
CLONE_NEWUSER = 0x10000000
#: Who we are inside.
INSIDE = 1000


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def confine() -> None:
    """Enter a user namespace and allow no further one below it."""
    uid, gid = os.getuid(), os.getgid()
    host = os.readlink("/proc/self/ns/user")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")
    if os.readlink("/proc/self/ns/user") == host:
        raise RuntimeError("still in the host's user namespace")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{INSIDE} {uid} 1")
    _write("/proc/self/gid_map", f"{INSIDE} {gid} 1")
    _write("/proc/sys/user/max_user_namespaces", "0")


if __name__ == "__main__":
    confine()
    os.execv(sys.argv[1], sys.argv[1:])
