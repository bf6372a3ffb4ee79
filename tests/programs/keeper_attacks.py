"""Attacks the process that watches the job, its parent, and leaves a daemon behind."""

import os
import signal
import sys
import time

from bounded import bound, daemonize

bound()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if daemonize():
    while True:
        time.sleep(60)
print("ready", flush=True)
os.kill(os.getppid(), getattr(signal, sys.argv[1]))
if "group" in sys.argv:
    os.killpg(0, signal.SIGKILL)
while True:
    time.sleep(60)
