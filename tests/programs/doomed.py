"""Becomes another program that is killed when the thread that started this one ends.

Arguments: process id of the one that starts it, the command.
"""

import ctypes
import os
import signal
import sys

#: From linux/prctl.h; it outlives an execve(2) (PR_SET_PDEATHSIG(2const)).
PR_SET_PDEATHSIG = 1

ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)  # it ended before the call
os.execv(sys.argv[2], sys.argv[2:])
