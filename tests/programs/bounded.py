"""Keeps a hostile program from harming the machine that tests it, should all else fail."""

import os
import resource
import signal

#: Seconds after which each of its processes ends.
LIFE_S = 75


def bound(memory_bytes: int = 2 << 30) -> None:
    """End this process and every fork of it after `LIFE_S`, and cap the memory of each."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LIFE_S)
    os.register_at_fork(after_in_child=lambda: signal.alarm(LIFE_S))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def daemonize() -> bool:
    """Leave parent, session and group; returns in the daemon only."""
    if os.fork():
        os.wait()
        return False
    os.setsid()
    if os.fork():
        os._exit(0)
    return True
