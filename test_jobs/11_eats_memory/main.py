"""Take memory in small steps, and use every page of it, until the job's limit ends it.

It ends by itself at 2 GiB, with exit code 0, so that it can't hurt a machine that
enforces nothing.  The memory is mapped rather than kept in Python objects: those would be
refused by a per-process limit with a MemoryError that the program could catch, while
pages that are really used meet the limit of the whole job.
"""

import mmap
import time

STEP = 8 << 20
MOST = 2 << 30

held = []
while len(held) * STEP < MOST:
    block = mmap.mmap(-1, STEP)
    for page in range(0, STEP, mmap.PAGESIZE):
        block[page] = 1
    held.append(block)
    if len(held) % 8 == 0:
        print(f"{len(held) * STEP >> 20} MiB in use", flush=True)
    time.sleep(0.01)
