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
    signal.signal(signal.SIGTERM, lambda *_: (print("asked", flush=True), sys.exit(3)))
print("ready", flush=True)
if sys.argv[1] == "stopped":
    os.kill(os.getpid(), signal.SIGSTOP)
while True:
    time.sleep(60)
