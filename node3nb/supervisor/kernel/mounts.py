"""What is seen where in a mount namespace (mount(2), mount_setattr(2), pivot_root(2))."""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Iterator

from node3nb.supervisor.kernel.calls import call

#: From linux/mount.h; the first four are also `MOUNT_ATTR_*` and, for statvfs(3), `ST_*`.
_RDONLY, _NOSUID, _NODEV, _NOEXEC = 1, 2, 4, 8
_MS_REMOUNT = 32
_MS_BIND = 4096
_MS_REC = 16384
_MS_SLAVE = 1 << 19
#: Flags a remount has to repeat, as statvfs(3) shows them and as mount(2) takes them: the four,
#: `NOATIME`, `NODIRATIME` (the same in both) and `RELATIME`.
_KEPT = _RDONLY | _NOSUID | _NODEV | _NOEXEC | 1024 | 2048
_ST_RELATIME, _MS_RELATIME = 4096, 1 << 21
#: From linux/mount.h and linux/fcntl.h.
_MNT_DETACH = 2
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
#: A `struct mount_attr`: what to set, what to clear, propagation, user namespace.
_MOUNT_ATTR = "=QQQQ"
#: Field of the mount point in /proc/self/mountinfo (proc_pid_mountinfo(5)), and how it is written.
_MOUNT_POINT = 4
_ESCAPED = re.compile(r"\\([0-7]{3})")


def stop_propagation() -> None:
    """Keep what we mount from the namespace we come from; what is unmounted there still goes."""
    _mount(None, "/", None, _MS_REC | _MS_SLAVE)


def mount_tmpfs(target: str, *, mode: int, bytes: int, inodes: int, exec: bool = True) -> None:  # noqa: A002 - as the options are called
    """Mount an empty file system in memory.

    Parameters
    ----------
    target
        Where.
    mode
        Permissions of its root.
    bytes, inodes
        Most it may hold: bytes and files (tmpfs(5)).
    exec
        Whether programs in it may run.
    """
    flags = _NOSUID | _NODEV | (0 if exec else _NOEXEC)
    _mount("tmpfs", target, "tmpfs", flags, f"mode={mode:o},{_tmpfs_size(bytes, inodes)}")


def resize_tmpfs(target: str, bytes: int, inodes: int) -> None:  # noqa: A002 - as the options are called
    """Let a file system in memory hold more, or less.

    Raises
    ------
    OSError
        `EINVAL`: it already holds more.
    """
    _mount("tmpfs", target, "tmpfs", _MS_REMOUNT | _flags(target), _tmpfs_size(bytes, inodes))


def _tmpfs_size(size: int, inodes: int) -> str:
    return f"size={size},nr_inodes={inodes}"


def mount_proc(target: str) -> None:
    """Show the processes of our process namespace.

    Raises
    ------
    OSError
        `EPERM`: parts of /proc are hidden from ourselves, as in a container.
    """
    _mount("proc", target, "proc", _NOSUID | _NODEV | _NOEXEC)


def bind(
    source: str,
    target: str,
    *,
    writable: bool,
    devices: bool = False,
    executable: bool = True,
) -> None:
    """Show a file or directory, with all that is mounted below it, at a second place.

    Parameters
    ----------
    source
        What; `/proc/self/fd/N` for what a descriptor of ours is open on.
    target
        Where: an existing file or directory.
    writable
        Whether it may be changed through this place.
    devices
        Whether device nodes in it are devices.
    executable
        Whether programs in it may run. Never with the rights of their owner.
    """
    refused = {_RDONLY: not writable, _NODEV: not devices, _NOEXEC: not executable}
    _mount(source, target, None, _MS_BIND | _MS_REC)
    _restrict(target, _NOSUID | sum(flag for flag, on in refused.items() if on), recursive=True)


def make_read_only(target: str) -> None:
    """Let nothing be changed on one mount; what is mounted below it stays as it is."""
    _restrict(target, _RDONLY, recursive=False)


def pivot(new_root: str) -> None:
    """Make a mount the root and let go of the old one; the working directory is the root then."""
    os.chdir(new_root)
    call("pivot_root", b".", b".", subject=new_root)
    detach(".")  # the old root lies over the new one (pivot_root(2), NOTES)
    os.chdir("/")


def detach(target: str) -> None:
    """Take away a mount and all below it, at once for new users, when they end for present ones."""
    call("umount2", os.fsencode(target), _MNT_DETACH, subject=target)


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    places = (_encoded(source), os.fsencode(target), _encoded(kind))
    call("mount", *places, flags, _encoded(options), subject=target)


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _restrict(target: str, flags: int, *, recursive: bool) -> None:
    """Set flags of a mount, or of it and all below."""
    attributes = struct.pack(_MOUNT_ATTR, flags, 0, 0, 0)
    reach = _AT_RECURSIVE if recursive else 0
    path = os.fsencode(target)
    try:
        size = len(attributes)
        call("mount_setattr", _AT_FDCWD, path, reach, attributes, size, subject=target)
    except OSError as error:
        if error.errno != errno.ENOSYS:  # Linux 5.12 brought it
            raise
        for mount in _mounts_below(target) if recursive else (target,):
            _mount(None, mount, None, _MS_BIND | _MS_REMOUNT | _flags(mount) | flags)


def _flags(mount: str) -> int:
    """Return a mount's flags: a user namespace may not take away those it has inherited."""
    shown = os.statvfs(mount).f_flag
    return (shown & _KEPT) | (_MS_RELATIME if shown & _ST_RELATIME else 0)


def _mounts_below(target: str) -> Iterator[str]:
    """Yield the mount points at a path and below it."""
    top = os.path.realpath(target)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        lines = file.readlines()
    for line in lines:
        point = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), line.split()[_MOUNT_POINT])
        if point == top or point.startswith(f"{top}/"):
            yield point
