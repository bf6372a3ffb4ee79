"""Runs programs in forks of a warm interpreter, and in interpreters of their own.

Started as a script it is the warm interpreter: it reads requests from its standard input, forks
for each one, and writes the wait status back.
"""

from __future__ import annotations

import marshal
import os
import sys
from node3nb.supervisor.warm import script

FIELD = "preload"


def read() -> dict | None:
    try:
        return marshal.load(sys.stdin.buffer)
    except EOFError:
        return None


def place(request):
    os.chdir(request["cwd"])
    os.setsid()
    for target, name in enumerate(("stdin", "stdout", "stderr")):
        fd = os.open(request[name], os.O_RDWR)
        os.dup2(fd, target)
        os.close(fd)
    os.closerange(3, 64)

del sys.path[0]
script.prepare(tuple(sys.argv[1:]))
while (request := read()) is not None:
    pid = os.fork()
    if not pid:
        break
    _, status = os.waitpid(pid, 0)
    marshal.dump(status, sys.stdout.buffer)
    sys.stdout.flush()
if request is not None:
    place(request)
    script.run(request["argv"], request["env"])
