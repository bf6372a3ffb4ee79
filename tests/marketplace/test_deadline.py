"""Deadlines of calls: each its own, however many there are, in forked processes too."""

from __future__ import annotations

import os
import threading

import pytest
from support.forked import forked

from node3nb.marketplace.client.deadline import Deadline

#: Seconds after which a test has failed.
BOUND_S = 60.0
#: Seconds that are soon over.
SHORT_S = 0.05


def test_each_call_has_its_own() -> None:
    over = threading.Event()
    with Deadline(BOUND_S) as long, Deadline(SHORT_S).hanging_up(over.set) as short:
        assert over.wait(BOUND_S)
    assert (long.passed, short.passed) == (False, True)


def test_one_that_is_over_is_not_hung_up() -> None:
    hung_up: list[str] = []
    with Deadline(BOUND_S).hanging_up(lambda: hung_up.append("late")) as ended:
        pass
    ended.extend(0.0)
    over = threading.Event()
    with Deadline(SHORT_S).hanging_up(over.set):
        assert over.wait(BOUND_S)
    assert hung_up == []
    assert not ended.passed


def test_more_time_counts_and_so_does_less() -> None:
    over = threading.Event()
    with Deadline(BOUND_S).hanging_up(over.set) as deadline:
        deadline.extend(2 * BOUND_S)
        deadline.extend(SHORT_S)
        assert over.wait(BOUND_S)
    assert deadline.passed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")
def test_a_forked_process_keeps_its_own() -> None:
    def hung_up() -> bool:
        over = threading.Event()
        with Deadline(SHORT_S).hanging_up(over.set):
            return over.wait(BOUND_S)

    with Deadline(BOUND_S):
        assert forked(hung_up)
