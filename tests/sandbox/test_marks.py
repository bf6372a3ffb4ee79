"""What is left of jobs whose supervisor is gone, and how it is known."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys

from support.forked import forked, root_only
from support.native_jobs import linux_only, wait_until
from support.short_lived import LIFE_S, child, sleep

from node3nb.supervisor import marks, proc
from node3nb.supervisor.kernel import namespaces

pytestmark = linux_only


def marked(mark: int) -> None:
    resource.setrlimit(resource.RLIMIT_RTTIME, (mark, mark))
    sleep()


def mark_of_one_that_is_gone() -> int:
    """Return the mark of a process that has ended and was buried."""
    gone = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = marks.of(gone.pid)
    gone.communicate(b"\n")
    return mark


def bears(pid: int, mark: int) -> bool:
    return marks._mark(pid) == mark


def test_mark_says_whose_it_is() -> None:
    mark = marks.of(os.getpid())
    assert marks._lives(mark)
    assert not marks._lives(mark + (1 << marks._PID_BITS))
    assert not marks._lives(mark_of_one_that_is_gone())


def test_nobody_has_no_mark() -> None:
    assert marks.of(2**22) == 0


def test_what_was_left_behind_ends() -> None:
    left = mark_of_one_that_is_gone()
    with child(lambda: marked(left)) as pid:
        wait_until(lambda: bears(pid, left))
        assert pid in marks.sweep()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_others_stay() -> None:
    """Those of a supervisor that lives, and those with a limit that means what it says."""
    mine = marks.of(os.getpid())
    with child(lambda: marked(mine)) as job, child(lambda: marked(200_000)) as player:
        wait_until(lambda: bears(job, mine))
        assert marks.sweep() == []
        assert proc.look(job)
        assert proc.look(player)


@root_only
def test_numbers_of_another_namespace_mean_others() -> None:
    left = mark_of_one_that_is_gone()

    def apart() -> bool:
        command = f"import time; time.sleep({LIFE_S})"
        resource.setrlimit(resource.RLIMIT_RTTIME, (left, left))
        namespaces.unshare(namespaces.NEWPID)
        inner = subprocess.Popen([sys.executable, "-c", command])
        try:
            wait_until(lambda: proc.look(inner.pid))
            return inner.pid in marks._left_behind()
        finally:
            inner.kill()
            inner.wait()

    assert not forked(apart)
