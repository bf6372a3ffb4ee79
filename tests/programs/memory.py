"""Takes memory, in the way and the amount (MiB) its arguments say, and keeps it."""

import ctypes
import mmap
import os
import subprocess
import sys
import threading
import time

from bounded import bound

MIB = 1 << 20
PAGE = b"x" * MIB


def grow(mib: int) -> object:
    """Take memory page by page."""
    taken = bytearray()
    for _ in range(mib):
        taken += PAGE
    return taken


def stay() -> None:
    time.sleep(60)


def one(mib: int) -> object:
    taken = grow(mib)
    stay()
    return taken


def many(mib: int) -> object:
    """Four processes that each take a part."""
    for _ in range(3):
        if not os.fork():
            break
    one(mib // 4)


def fast(mib: int) -> object:
    """Pieces of 64 MiB at once."""
    taken = [b"y" * (64 * MIB) for _ in range(mib // 64)]
    stay()
    return taken


def single(mib: int) -> object:
    """One allocation larger than everything, never touched."""
    return bytearray(mib * MIB)


def survives(mib: int) -> object:
    """The same, refused by the kernel and caught."""
    try:
        bytearray(mib * MIB)
    except MemoryError:
        print("refused", flush=True)


def shared(mib: int) -> object:
    """Shared anonymous memory."""
    area = mmap.mmap(-1, mib * MIB)
    for offset in range(0, mib * MIB, MIB):
        area[offset : offset + MIB] = PAGE
    stay()


def given_back(mib: int) -> object:
    """Shared memory that leaves this process, not the machine."""
    area = mmap.mmap(-1, mib * MIB)
    for offset in range(0, mib * MIB, MIB):
        area[offset : offset + MIB] = PAGE
        area.madvise(mmap.MADV_DONTNEED)
    stay()


def file_in_memory(mib: int) -> object:
    """A file that is memory, never mapped."""
    file = os.memfd_create("x")
    for _ in range(mib):
        os.write(file, PAGE)
    stay()


def forked(mib: int) -> object:
    """Memory shared by eight children after a fork: no more than it was."""
    taken = grow(mib)
    children = [os.fork() for _ in range(8) if os.getpid() == main]
    if os.getpid() == main:
        time.sleep(2)
        for child in children:
            os.kill(child, 9)
    else:
        stay()
    return taken


def disguised(mib: int) -> object:
    """Sharing that makes resident memory look large, then real memory in its place."""
    taken = grow(mib)
    children = [os.fork() for _ in range(6) if os.getpid() == main]
    if os.getpid() != main:
        stay()
    time.sleep(1.5)
    for child in children:
        os.kill(child, 9)
        os.waitpid(child, 0)
    return taken, one(4 * mib)


def vforks(mib: int) -> object:
    """A child in the address space of its large parent, for as long as it likes."""
    taken = grow(mib)
    for _ in range(20):
        subprocess.run(["/bin/sleep", "0.05"], check=True, close_fds=False)
    return taken


def all_there_is(mib: int) -> object:
    """Take what can be had and keep it."""
    taken = []
    try:
        taken.extend(bytearray(PAGE) for _ in range(mib))
    except MemoryError:
        stay()
    return taken


def leaderless(mib: int) -> object:
    """Memory of a process whose first thread has ended."""
    threading.Thread(target=all_there_is, args=(mib,)).start()
    ctypes.CDLL(None).syscall(60 if os.uname().machine == "x86_64" else 93, 0)


bound()
main = os.getpid()
globals()[sys.argv[1]](int(sys.argv[2]))
