"""What Binder gives its users: `binderlike.py UID GROUP... -- PROGRAM ARGUMENT...`.

The program enters a control group, given by its directories with that of memory first, sees only
this one and can't change it, and has the rights of a user in a container.  Needs root; knows
nothing but the standard library and what lies beside it.
"""

import ctypes
import os
import sys

import containerlike
import no_control_groups

#: From linux/mount.h.
MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
#: Where a container finds the memory of its own group: version 1, version 2.
V1, V2 = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"


def show(directory: str) -> None:
    """Put the group in the place where a container finds its own."""
    no_control_groups.part()
    held = os.open(directory, os.O_PATH)
    no_control_groups.cover(0)
    place = V2 if os.path.exists(f"/proc/self/fd/{held}/cgroup.controllers") else V1
    os.makedirs(place, exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    for flags in (MS_BIND, MS_BIND | MS_REMOUNT | MS_RDONLY):
        source = f"/proc/self/fd/{held}".encode()
        if libc.mount(source, place.encode(), None, flags, None):
            raise OSError(ctypes.get_errno(), "mount")
    os.close(held)


if __name__ == "__main__":
    at = sys.argv.index("--")
    for each in sys.argv[2:at]:
        with open(f"{each}/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))
    show(sys.argv[2])
    containerlike.give_up_rights(int(sys.argv[1]))
    os.execv(sys.argv[at + 1], sys.argv[at + 1 :])
