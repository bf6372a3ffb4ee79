"""Attacks that take more than the job's limits allow; each ends its job, so each has its own.

What an attack aims at is told by the file `reached` in the job's output directory.
"""

import contextlib
import itertools
import mmap
import os
import signal
import sys
import tempfile
import time

from attempt import bound

MIB = 1 << 20
PAGE = b"x" * MIB
OUTPUT = os.environ["OUTPUT_DIR"]
#: Aims: far above the limits the jobs get, far below what would hurt the machine.
PROCESSES_LOG2, MEMORY_MIB, FILE_MIB, FILES, DEPTH, FLOOD_MIB = 10, 512, 512, 60_000, 300, 200
#: Part of what may be on disk, in MiB.
PIECE_MIB = 16
#: Seconds in which a limit that works ends what it should.
HELD_S = 2.0


def reach() -> None:
    """Tell that the aim is reached, and stay for the limits to notice."""
    time.sleep(HELD_S)
    with open(OUTPUT + "/reached", "w"):
        pass


def fork_bomb() -> None:
    """Processes that double."""
    for _ in range(PROCESSES_LOG2):
        try:
            os.fork()
        except OSError:
            break
    count = os.open(OUTPUT + "/count", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(count, b".")
    time.sleep(HELD_S)
    if os.fstat(count).st_size >= 1 << PROCESSES_LOG2:
        reach()


def grow(mib: int) -> bytearray:
    """Take memory page by page."""
    taken = bytearray()
    for _ in range(mib):
        taken += PAGE
    return taken


def memory_of_one() -> bytearray:
    """Memory of one process."""
    taken = grow(MEMORY_MIB)
    reach()
    return taken


def memory_of_many() -> bytearray:
    """Memory of eight processes, each below the limit."""
    for _ in range(3):
        os.fork()
    taken = grow(MEMORY_MIB // 8)
    reach()
    return taken


def memory_shared() -> None:
    """Shared memory that leaves the process and stays in the machine."""
    area = mmap.mmap(-1, MEMORY_MIB * MIB)
    for offset in range(0, MEMORY_MIB * MIB, MIB):
        area[offset : offset + MIB] = PAGE
        area.madvise(mmap.MADV_DONTNEED)
    reach()


def memory_as_file() -> None:
    """A file that is memory and has no name."""
    file = os.memfd_create("taken")
    for _ in range(MEMORY_MIB):
        os.write(file, PAGE)
    reach()


def memory_as_named_file() -> None:
    """A file in the host's /dev/shm, or the job's."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix=f"n3-{os.environ['JOB_ID']}-") as file:
        for _ in range(MEMORY_MIB):
            file.write(PAGE)
        file.flush()
        reach()


def memory_in_tmp() -> None:
    """A file in the job's temporary directory, which may be memory."""
    with tempfile.NamedTemporaryFile() as file:
        file.writelines(itertools.repeat(PAGE, MEMORY_MIB))
        file.flush()
        reach()


def removed_files() -> None:
    """Files that are removed and stay open."""
    with contextlib.ExitStack() as held:
        for _ in range(FILE_MIB // PIECE_MIB):
            file = held.enter_context(tempfile.TemporaryFile(dir=OUTPUT))
            file.writelines(itertools.repeat(PAGE, PIECE_MIB))
        reach()


def one_file() -> None:
    """One huge file."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open(OUTPUT + "/huge", "wb") as file:
        file.writelines(itertools.repeat(PAGE, FILE_MIB))
    reach()


def many_files() -> None:
    """Files without number, in every directory there is."""
    for number in range(FILES):
        place = (OUTPUT, os.getcwd(), tempfile.gettempdir())[number % 3]
        os.close(os.open(f"{place}/{number}", os.O_CREAT | os.O_WRONLY))
    reach()


def deep_tree() -> None:
    """Directories inside each other, beyond what a path can name."""
    os.chdir(OUTPUT)
    for _ in range(DEPTH):
        os.mkdir("d" * 100)
        os.chdir("d" * 100)
    reach()


def endless_time() -> None:
    """A job that will not end, and does not listen."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(HELD_S)
    reach()


def flood() -> None:
    """Output that never ends."""
    for _ in range(FLOOD_MIB):
        os.write(1, PAGE)
    reach()


def daemon() -> None:
    """A process that leaves the job and goes on after its end."""
    if os.fork():
        time.sleep(0.2)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    heart = os.open(OUTPUT + "/heart", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for _ in itertools.repeat(None, 1000):
        os.write(heart, b".")
        time.sleep(0.01)


bound()
globals()[sys.argv[1]]()
