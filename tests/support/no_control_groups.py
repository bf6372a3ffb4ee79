"""Root without control groups: `python no_control_groups.py PROGRAM ARGUMENT...`.

Knows nothing but the standard library.
"""

import ctypes
import os
import sys

#: From linux/sched.h and linux/mount.h.
CLONE_NEWNS, MS_RDONLY, MS_REC, MS_PRIVATE = 0x00020000, 1, 1 << 14, 1 << 18
CONTROL_GROUPS = "/sys/fs/cgroup"


def hide() -> None:
    """Cover them, in a mount namespace of our own: the host's stay as they are."""
    if os.path.isdir(CONTROL_GROUPS):
        part()
        cover(MS_RDONLY)


def part() -> None:
    """Enter a mount namespace of our own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "mount")


def cover(flags: int) -> None:
    """Put an empty directory over them."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", CONTROL_GROUPS.encode(), b"tmpfs", flags, None):
        raise OSError(ctypes.get_errno(), "mount")


if __name__ == "__main__":
    hide()
    os.execv(sys.argv[1], sys.argv[1:])
