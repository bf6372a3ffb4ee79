"""Multiplies: processes that fork, or threads."""

import os
import sys
import threading
import time

from bounded import bound

MOST = 9  # 512 processes: enough for any limit tested, too few to hurt


def processes() -> None:
    for _ in range(MOST):
        os.fork()
    time.sleep(60)


def threads() -> None:
    threading.stack_size(128 << 10)
    for _ in range(300):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    time.sleep(60)


bound()
globals()[sys.argv[1]]()
