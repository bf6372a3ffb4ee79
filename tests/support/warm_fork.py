"""The warm interpreter of the fidelity tests: `python warm_fork.py [MODULE ...]`.

It forks a process for every request that comes with three descriptors through its standard
input, a socket; it answers with the process's id, and with its wait status when it has ended.
"""

from __future__ import annotations

import os
import sys

from node3nb.supervisor import linux
from node3nb.supervisor.warm import script

# isort: split
# What comes after the package is known not to be a bare interpreter's.
import marshal
import socket

REQUEST_BYTES = 1 << 16


def serve(requests: socket.socket) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return in the process that has to run a program, with its command and environment."""
    while True:
        message, fds, _, _ = socket.recv_fds(requests, REQUEST_BYTES, 3)
        if not message:
            os._exit(0)
        pid = os.fork()
        if not pid:
            return become(*marshal.loads(message), fds)
        for fd in fds:
            os.close(fd)
        requests.send(marshal.dumps(pid))
        requests.send(marshal.dumps(os.waitpid(pid, 0)[1]))


def become(
    argv: tuple[str, ...], env: dict[str, str], cwd: str, fds: list[int]
) -> tuple[tuple[str, ...], dict[str, str]]:
    os.setsid()
    linux.die_with_parent()
    os.chdir(cwd)
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
    os.closerange(3, 64)
    script.settle()
    return argv, env


if __name__ == "__main__":
    del sys.path[0]
    linux.die_with_parent()
    script.prepare(tuple(sys.argv[1:]))
    script.run(*serve(socket.socket(fileno=os.dup(0))))
