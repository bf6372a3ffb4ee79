"""A child in which a test may do to itself what cannot be undone."""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from support import needs

from node3nb.supervisor import linux

Answer = TypeVar("Answer")

#: An ordinary user, of whom the machine knows nothing.
STRANGER = 12345
#: Far beyond what anything here takes.
PATIENCE_S = 20.0
#: More descriptors than a test has open.
CLOSED_TO = 1024

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="about the Linux kernel")
root_only = needs.lacking(os.geteuid() != 0, "needs root")
#: The tests of a facility that both may use.
ROOT_AND_STRANGER = (pytest.param(0, marks=root_only, id="root"), pytest.param(STRANGER, id="user"))


def forked(action: Callable[[], Answer], *, uid: int = 0) -> Answer:
    """Return what the action returns in a child, as another user if one is given.

    Raises
    ------
    AssertionError
        It raised something; the message is its traceback.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _answer(writing, action, uid)
    os.close(writing)
    try:
        success, answer = pickle.loads(_read(reading))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
    assert success, answer
    return answer


def status_of(action: Callable[[], object], *, uid: int = 0) -> int:
    """Return how a child ends that does the action, as `subprocess` has it."""
    child = os.fork()
    if not child:
        _begin(uid)
        action()
        os._exit(0)
    deadline = time.monotonic() + PATIENCE_S
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.005)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def sleeping() -> int:
    """Return a child that does nothing, and ends with this process at the latest.

    It waits for the end of a pipe, since the signal of a parent's death does not leave the
    parent's Landlock domain.
    """
    waited_for, _held = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(waited_for, 0)
        os.closerange(1, CLOSED_TO)
        os.read(0, 1)
        os._exit(0)
    os.close(waited_for)
    return child


def error_of(action: Callable[[], object]) -> int:
    """Return the number of the error that the action ends with; 0 for none."""
    try:
        action()
    except OSError as error:
        return error.errno or -1
    return 0


def errors_of(actions: Iterable[Callable[[], object]]) -> list[int]:
    """Return the number of the error of each action."""
    return [error_of(action) for action in actions]


def _answer(fd: int, action: Callable[[], object], uid: int) -> None:
    try:
        _begin(uid)
        answer = (True, action())
    except BaseException:
        answer = (False, traceback.format_exc())
    with open(fd, "wb") as file:
        file.write(pickle.dumps(answer))
    os._exit(0)


def _begin(uid: int) -> None:
    linux.die_with_parent()
    if uid and os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        linux.die_with_parent()
        linux.show_to_peers()


def _read(fd: int) -> bytes:
    received = b""
    while True:
        if not select.select([fd], [], [], PATIENCE_S)[0]:
            raise TimeoutError("the child does not answer")
        piece = os.read(fd, 1 << 16)
        if not piece:
            return received
        received += piece
