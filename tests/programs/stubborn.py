"""Does not end when it is asked; the argument says in which way."""

import os
import signal
import sys
import time

from bounded import bound

bound()
if sys.argv[1] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
elif sys.argv[1] == "polite":
    signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"asked\n"), sys.exit(3)))
os.write(1, b"ready\n")  # a print can't be interrupted by another
if sys.argv[1] == "stopped":
    os.kill(os.getpid(), signal.SIGSTOP)
while True:
    time.sleep(60)
