"""Which processes a job is made of, and how to end every one of them."""

from __future__ import annotations

import os
import signal
import time

from node3nb.supervisor import linux, proc, ps
from node3nb.supervisor.processes import Process, below

#: Rounds of freezing after which a tree that still forks is killed as it is.
FREEZE_ROUNDS = 20
#: Seconds between two looks at a tree that is being killed, at first and at most.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.0005, 0.02

HAS_PROC = proc.MOUNTED


def descendants(root: int, *, thorough: bool = False) -> list[Process]:
    """Return every living process below `root`, parents before their children.

    Parameters
    ----------
    root
        Process id; it is not in the answer itself.
    thorough
        Take more time to miss nobody who moves meanwhile.
    """
    return proc.descendants(root, thorough=thorough) if HAS_PROC else ps.descendants(root)


def remember_groups(*groups: int, learn: bool = True) -> None:
    """Where orphans can't be adopted, count these process groups to the job of this process.

    Parameters
    ----------
    groups
        Known so far; all others are forgotten.
    learn
        Whether those seen below this process from now on are remembered too.
    """
    if not HAS_PROC:
        ps.begin(*groups, learns=learn)


def kill_below(root: int, spare: frozenset[int] = frozenset()) -> dict[int, int]:
    """Kill everything below this process and wait until it is gone.

    The tree is frozen first, so that no process can fork while the others are being killed.

    Parameters
    ----------
    root
        The calling process, whose descendants end; it should adopt its orphans.
    spare
        Processes that stay with all that hangs from them.

    Returns
    -------
    dict
        Wait status by pid of the caller's children that ended meanwhile.
    """
    ended: dict[int, int] = {}
    pause_s = FIRST_PAUSE_S
    thorough = False
    while not _empty(root, spare, ended):
        _freeze(root, spare)
        for pid in _victims(root, spare, thorough=thorough):
            _signal(pid, signal.SIGKILL)
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        thorough = True
    _reap_into(ended)  # who died after the last look at them is buried too
    return ended


def stop_below(root: int) -> tuple[list[Process], set[int]]:
    """Hold everything below this process still.

    Returns
    -------
    tuple
        What was found there, and who of it was not still before.
    """
    held: set[int] = set()
    for _ in range(FREEZE_ROUNDS):
        processes = descendants(root)
        fresh = {each.pid for each in processes if not each.stopped} - held
        if not fresh:
            break
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
        held |= fresh
    return processes, held


def go_on(held: set[int]) -> None:
    """Let those go on that were held still."""
    for pid in held:
        _signal(pid, signal.SIGCONT)


def _empty(root: int, spare: frozenset[int], ended: dict[int, int]) -> bool:
    """Reap, and return whether nothing is left.

    Who adopts every orphan and has no child has no descendant: that is proof.  Where there is
    none, two looks in a row that find nobody have to do.
    """
    childless = _reap_into(ended)
    if not childless and not spare:
        return False
    if childless and linux.adopts_orphans():
        return True
    return not any(_victims(root, spare, thorough=True) for _ in range(2))


def _victims(root: int, spare: frozenset[int], *, thorough: bool = False) -> list[int]:
    processes = descendants(root, thorough=thorough)
    kept = spare | {process.pid for process in below(list(spare), processes)}
    return [process.pid for process in processes if process.pid not in kept]


def _freeze(root: int, spare: frozenset[int]) -> None:
    frozen: set[int] = set()
    for _ in range(FREEZE_ROUNDS):
        fresh = set(_victims(root, spare)) - frozen
        if not fresh:
            return
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
        frozen |= fresh


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def reap() -> dict[int, int]:
    """Collect the children that have ended: wait status by pid."""
    ended: dict[int, int] = {}
    _reap_into(ended)
    return ended


def _reap_into(ended: dict[int, int]) -> bool:
    """Collect the children that have ended; return whether there is no child at all."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if not pid:
            return False
        ended[pid] = status
