"""An ordinary user without user namespaces, where bubblewrap has root's rights: UID PROGRAM ARG...

As on a system that has switched them off and installs bubblewrap with the setuid bit: that bit is
on a copy, which lies over the real one in a mount namespace of ours.  Needs root; knows nothing
but the standard library and what lies beside it.
"""

import ctypes
import os
import shutil
import sys
import tempfile

import only_bubblewrap

PROGRAM = "/usr/bin/bwrap"
#: From linux/sched.h and linux/mount.h.
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x00020000, 4096, 1 << 14, 1 << 18


def raise_rights() -> None:
    """Have bubblewrap run as root, for this process and all it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    copy, path = tempfile.mkstemp(prefix="n3-bwrap-")
    os.close(copy)
    shutil.copyfile(PROGRAM, path)
    os.chmod(path, 0o4755)
    private = (b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    over = (path.encode(), PROGRAM.encode(), None, MS_BIND, None)
    failed = libc.unshare(CLONE_NEWNS) or libc.mount(*private) or libc.mount(*over)
    os.unlink(path)
    if failed:
        raise OSError(ctypes.get_errno(), "mount")


if __name__ == "__main__":
    raise_rights()
    namespaces = only_bubblewrap.CLONE_NEWUSER | only_bubblewrap.CLONE_NEWNS
    refused = {
        only_bubblewrap.UNSHARE: namespaces,
        only_bubblewrap.CLONE: only_bubblewrap.CLONE_NEWUSER,
    }
    only_bubblewrap.confine(int(sys.argv[1]), refused)
    os.execv(sys.argv[2], sys.argv[2:])
