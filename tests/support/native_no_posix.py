"""Imports the package as on a system without POSIX, such as Windows; prints what became of it.

Hides modules and names that Windows' Python lacks.  What it can't show is Windows itself: the
standard library and the packages used are loaded before, in the shape this system gives them.
"""

import asyncio  # noqa: F401
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess  # noqa: F401
import sys
import tempfile  # noqa: F401
import tokenize  # noqa: F401
from collections.abc import Iterator

MODULES = ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog")
OS_NAMES = [
    "fork",
    "forkpty",
    "setsid",
    "getsid",
    "getpgid",
    "getpgrp",
    "setpgid",
    "killpg",
    "register_at_fork",
    "pidfd_open",
    "nice",
    "O_DIRECTORY",
    "O_NOFOLLOW",
    "O_CLOEXEC",
    "O_NONBLOCK",
    "O_PATH",
    "O_NOCTTY",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "mkfifo",
    "mknod",
    "pread",
    "pwrite",
    "sysconf",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_setscheduler",
    "SCHED_IDLE",
    "wait",
    "WNOHANG",
    "WUNTRACED",
    "WIFSTOPPED",
    "waitid",
    "P_PID",
    "fchmod",
    "fchown",
    "chown",
    "getloadavg",
    "uname",
    "statvfs",
    "pipe2",
    "set_blocking",
    "get_blocking",
]
SIGNALS = [
    "SIGKILL",
    "SIGHUP",
    "SIGSTOP",
    "SIGCONT",
    "SIGCHLD",
    "SIGPIPE",
    "SIGALRM",
    "SIGUSR1",
    "set_wakeup_fd",
]
FOREIGN = [
    "alembic",
    "anywidget",
    "fastapi",
    "ipywidgets",
    "IPython",
    "ipykernel.kernelbase",
    "platformdirs",
    "psutil",
    "pydantic",
    "requests",
    "sqlalchemy",
    "sqlalchemy.pool",
    "uvicorn",
    "http.server",
    "logging.handlers",
    "multiprocessing",
    "concurrent.futures",
    "ctypes",
    "httptools",
    "uvloop",
    "websockets",
]


#: What is started and not imported; the last is how a job with variables begins.
PROGRAMS = {"node3nb.__main__", "node3nb.marketplace.__main__", "node3nb.variables.runner"}


def load_foreign() -> None:
    for name in FOREIGN:
        try:
            importlib.import_module(name)
        except ImportError:
            continue


def hide() -> None:
    for name in MODULES:
        sys.modules[name] = None
    for holder, names in ((os, OS_NAMES), (signal, SIGNALS), (socket, ("AF_UNIX",))):
        for name in names:
            if hasattr(holder, name):
                delattr(holder, name)


def modules() -> Iterator[str]:
    import node3nb

    yield "node3nb"
    for module in pkgutil.walk_packages(node3nb.__path__, "node3nb."):
        if not module.name.startswith("node3nb.supervisor.") and module.name not in PROGRAMS:
            yield module.name


def failures() -> dict[str, str]:
    failed = {}
    for name in modules():
        try:
            importlib.import_module(name)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"
    return failed


def native() -> tuple[bool, str, str]:
    from node3nb import JobSpec, NativeExecutor
    from node3nb.errors import UnsupportedPlatformError

    availability = NativeExecutor().available()
    try:
        NativeExecutor().run(JobSpec(("true",)), None, None)
    except UnsupportedPlatformError as error:
        return availability.available, availability.reason, str(error)
    return availability.available, availability.reason, ""


load_foreign()
hide()
print(json.dumps({"failed": failures(), "native": native()}))
