"""Memory and disk that a job holds where neither its resident memory nor a directory shows them.

Shared anonymous memory given back with MADV_DONTNEED, and files of memfd_create(2), leave the
resident memory of a process and stay in the machine's; a file that was removed while open
leaves its directory and stays on the disk.  What stays unseen: a file in a tmpfs outside the
job's directories, and descriptors on their way through a socket.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from node3nb.supervisor import proc
from node3nb.supervisor.processes import Process

#: Unit of st_blocks, in bytes (stat(2)).
BLOCK_BYTES = 512
#: How the kernel names what stands in memory.
_MEMORY_NAMES = (b"/memfd:", b"/dev/zero", b"/SYSV", b"/dev/shm/")


@dataclass(frozen=True, slots=True)
class Hidden:
    """What processes hold out of sight."""

    #: In memory, in bytes; what of it is also resident is in both figures.
    memory_bytes: int = 0
    #: On disk, in bytes.
    disk_bytes: int = 0


def measure(processes: list[Process], shm: str | None = None) -> Hidden:
    """Return what the processes hold, each file and each shared mapping once.

    Parameters
    ----------
    processes
        The job's.
    shm
        A file system in memory that is the job's alone, all of which counts; None for none.
    """
    held: dict[tuple[int, int], tuple[bool, int]] = {}
    for process in processes:
        held |= _mapped(process.pid)
    for process in processes:
        held |= _open(process.pid)
    device, used = _file_system(shm)
    held = {key: value for key, value in held.items() if key[0] != device}
    return Hidden(
        memory_bytes=used + sum(size for in_memory, size in held.values() if in_memory),
        disk_bytes=sum(size for in_memory, size in held.values() if not in_memory),
    )


def _file_system(path: str | None) -> tuple[int, int]:
    """Return the device of a mounted file system and the bytes it holds; zeros for none."""
    if path is None:
        return 0, 0
    try:
        full = os.statvfs(path)
        return os.stat(path).st_dev, (full.f_blocks - full.f_bfree) * full.f_frsize
    except OSError:
        return 0, 0


def _open(pid: int) -> dict[tuple[int, int], tuple[bool, int]]:
    """Return removed files held open: whether in memory, and bytes, by device and inode."""
    held = {}
    directory = f"/proc/{pid}/fd/"
    for name in _listed(directory):
        try:
            status = os.stat(directory + name)
            if stat.S_ISREG(status.st_mode) and not status.st_nlink:
                in_memory = os.readlink(os.fsencode(directory + name)).startswith(_MEMORY_NAMES)
                size = status.st_blocks * BLOCK_BYTES
                held[status.st_dev, status.st_ino] = (in_memory, size)
        except OSError:
            continue
    return held


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _mapped(pid: int) -> dict[tuple[int, int], tuple[bool, int]]:
    """Return shared mappings of files that have no name."""
    held: dict[tuple[int, int], tuple[bool, int]] = {}
    try:
        maps = proc.read(f"/proc/{pid}/maps")
    except OSError:
        return held
    for line in maps.splitlines():
        if line.endswith(b" (deleted)") and line.split(maxsplit=2)[1].endswith(b"s"):
            addresses, _, _, device, inode, path = line.split(maxsplit=5)
            major, minor = (int(number, 16) for number in device.split(b":"))
            key = (os.makedev(major, minor), int(inode))
            before = held.get(key, (False, 0))[1]
            size = _mapped_bytes(pid, addresses.decode(), before)
            held[key] = (path.startswith(_MEMORY_NAMES), size)
    return held


def _mapped_bytes(pid: int, addresses: str, before: int) -> int:
    """Return what a mapped file holds, which only root is told; else what is mapped of it.

    `before` is what other mappings of it have come to.
    """
    try:
        held = os.stat(f"/proc/{pid}/map_files/{addresses}").st_blocks * BLOCK_BYTES
    except OSError:
        start, end = (int(address, 16) for address in addresses.split("-"))
        return before + end - start
    return max(before, held)
