"""Starts processes that try to outlive their job; the argument says how."""

import ctypes
import os
import signal
import sys
import threading
import time

from bounded import bound, daemonize


def sleep() -> None:
    while True:
        time.sleep(60)


def holds_stdout() -> None:
    """A background child that keeps the job's output open."""
    if not os.fork():
        sleep()


def leaves() -> None:
    """A daemon in a session of its own that ignores every polite signal."""
    if daemonize():
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        sleep()


def leaves_slowly() -> None:
    """A daemon whose parent stays until it is told to go, by a file."""
    if not os.fork():
        os.setsid()
        if os.fork():
            open("here", "w").close()
            while not os.path.exists("go"):
                time.sleep(0.01)
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sleep()
    os.wait()


def reforks() -> None:
    """Daemons whose life is to become a new process as fast as they can."""
    for _ in range(10):
        if daemonize():
            began = time.monotonic()
            while time.monotonic() - began < 60:
                if os.fork():
                    os._exit(0)
                os.setsid()
            os._exit(0)


def leaderless() -> None:
    """A daemon whose first thread has ended: it looks like a zombie, and runs."""
    if daemonize():
        threading.Thread(target=sleep).start()
        if not os.fork():
            sleep()
        ctypes.CDLL(None).syscall(60 if os.uname().machine == "x86_64" else 93, 0)


def many() -> None:
    """Thirty daemons, each with a child."""
    for _ in range(30):
        if daemonize():
            os.fork()
            sleep()


bound()
globals()[sys.argv[1]]()
print("ready", flush=True)
if "stay" in sys.argv:
    sleep()
