"""Leaves a daemon behind: forked twice, in a session of its own, deaf to polite signals.

The daemon carries the variable MARK on its command line, for whoever looks for it from outside.
"""

import os
import signal
import sys
import time

if not os.fork():
    os.setsid()
    if not os.fork():
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        sleep = "import time; time.sleep(600)"
        os.execv(sys.executable, [sys.executable, "-S", "-c", sleep, os.environ["MARK"]])
    os._exit(0)
os.wait()
time.sleep(600)
