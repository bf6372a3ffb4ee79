"""The supervisor as on a POSIX system without Linux's own calls, such as macOS: FD OWNER.

Hides what only Linux has and then is the supervisor.  What this can't show is macOS itself.
"""

import builtins
import os
import pathlib
import select
import sys
from collections.abc import Callable
from typing import Any

LINUX_ONLY = [
    "O_PATH",
    "pidfd_open",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_setscheduler",
    "SCHED_IDLE",
    "waitid",
    "memfd_create",
    "eventfd",
    "close_range",
]


def without_proc(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the call as it is where there is no /proc."""

    def checked(path: object, *arguments: Any, **options: Any) -> Any:
        if isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith("/proc"):
            raise FileNotFoundError(2, "no /proc here", path)
        return call(path, *arguments, **options)

    return checked


for name in LINUX_ONLY:
    if hasattr(os, name):
        delattr(os, name)
for name in ("stat", "open", "listdir", "scandir"):
    setattr(os, name, without_proc(getattr(os, name)))
builtins.open = without_proc(open)
del select.epoll
sys.platform = "darwin"
os.uname = lambda: os.uname_result(("Darwin", "mac", "24.0.0", "", "arm64"))
sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from node3nb.supervisor import linux, server, tree  # noqa: E402

assert not tree.HAS_PROC
assert not linux.adopt_orphans()
server.main(int(sys.argv[1]), int(sys.argv[2]))
