"""Becomes another program that gets a signal when the thread that started this one ends.

Arguments: process id of the one that starts it, number of the signal, the command.
"""

import ctypes
import os
import sys

#: From linux/prctl.h; it outlives an execve(2) (PR_SET_PDEATHSIG(2const)).
PR_SET_PDEATHSIG = 1

ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(sys.argv[2]), 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)  # it ended before the call
os.execvp(sys.argv[3], sys.argv[3:])
