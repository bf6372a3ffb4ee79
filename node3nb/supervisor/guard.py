"""The process above the supervisor, which ends what that leaves, should it be killed.

Without namespaces nothing else would: whatever keeper and supervisor had adopted would become
the child of the system's first process.
"""

from __future__ import annotations

import os

from node3nb.supervisor import linux, tree


def stand() -> int:
    """Put this process above the supervisor, which is what returns.

    Where orphans can't be adopted, or the end of other processes can't be waited for, there is
    no such process.

    Returns
    -------
    int
        Process id of the supervisor's parent.
    """
    guard = os.getpid()
    if not hasattr(os, "pidfd_open") or not linux.adopt_orphans():
        return os.getppid()
    supervisor = os.fork()
    if supervisor:
        _outlive(supervisor)
    return guard


def _outlive(supervisor: int) -> None:
    try:
        os.waitpid(supervisor, 0)
        tree.kill_below(os.getpid())
    finally:
        os._exit(0)
