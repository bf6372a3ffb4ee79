import atexit
import os
import sys

atexit.register(print, "leaving")
for code in (0, 3, "words"):
    sys.stdout.flush()
    if not (pid := os.fork()):
        if code:
            sys.exit(code)
        break
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
else:
    sys.stdout.flush()
    if not os.fork():
        raise ValueError("in a child")
    os.wait()
