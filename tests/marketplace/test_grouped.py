"""What many threads ask for at once, done together."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from marketplace.market_parts import eventually

from node3nb.errors import MarketplaceBusy
from node3nb.marketplace.client.grouped import Grouped

#: Seconds after which a test has failed.
BOUND_S = 60.0


class Work:
    """Doubles numbers, once it is let; odd jobs fail."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.let = threading.Event()
        self.grouped = Grouped(self.double, self.fit)

    def double(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.groups.append(list(numbers))
        assert self.let.wait(BOUND_S)
        if 13 in numbers:
            raise MarketplaceBusy("later", 7.0)
        return [ValueError(f"{each} is odd") if each % 2 else 2 * each for each in numbers]

    def fit(self, numbers: Sequence[int]) -> int:
        """Nothing goes with 100."""
        return numbers.index(100) if 100 in numbers else len(numbers)

    def waiting(self) -> int:
        return len(self.grouped._waiting)


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def threads(work: Work) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool
        work.let.set()


def started(work: Work, threads: ThreadPoolExecutor, *numbers: int) -> list[Future[int]]:
    """Have the first be worked on, and the others wait, in their order."""
    first = threads.submit(work.grouped.do, numbers[0])
    eventually(lambda: work.groups == [[numbers[0]]])
    others = []
    for count, number in enumerate(numbers[1:], 1):
        others.append(threads.submit(work.grouped.do, number))
        eventually(lambda count=count: work.waiting() == count)
    return [first, *others]


def test_a_lone_one_is_done_at_once(work: Work) -> None:
    work.let.set()
    assert work.grouped.do(4) == 8
    assert work.groups == [[4]]


def test_those_that_wait_go_together(work: Work, threads: ThreadPoolExecutor) -> None:
    asked = started(work, threads, 2, 4, 6, 8)
    work.let.set()
    assert [each.result(BOUND_S) for each in asked] == [4, 8, 12, 16]
    assert work.groups == [[2], [4, 6, 8]]


def test_what_one_is_refused_the_others_do_not_feel(
    work: Work, threads: ThreadPoolExecutor
) -> None:
    _, good, bad, other = started(work, threads, 2, 4, 5, 6)
    work.let.set()
    assert (good.result(BOUND_S), other.result(BOUND_S)) == (8, 12)
    with pytest.raises(ValueError, match="5 is odd"):
        bad.result(BOUND_S)


def test_a_failure_of_all_is_told_to_each_and_ends_nothing(
    work: Work, threads: ThreadPoolExecutor
) -> None:
    _, *failed = started(work, threads, 2, 4, 13)
    work.let.set()
    errors = [each.exception(BOUND_S) for each in failed]
    assert [(str(each), each.retry_after_s) for each in errors] == [("later", 7.0)] * 2
    assert errors[0] is not errors[1]
    assert work.grouped.do(6) == 12


def test_what_does_not_fit_goes_later(work: Work, threads: ThreadPoolExecutor) -> None:
    asked = started(work, threads, 2, 4, 100, 6)
    work.let.set()
    assert [each.result(BOUND_S) for each in asked] == [4, 8, 200, 12]
    assert work.groups == [[2], [4], [100], [6]]


def test_one_that_may_wait_goes_with_the_next(work: Work, threads: ThreadPoolExecutor) -> None:
    patient = threads.submit(work.grouped.do, 2, BOUND_S)
    eventually(lambda: work.waiting() == 1)
    work.let.set()
    assert work.grouped.do(4) == 8
    assert patient.result(BOUND_S) == 4
    assert work.groups == [[2, 4]]


def test_one_that_has_waited_long_enough_goes_alone(work: Work) -> None:
    work.let.set()
    assert work.grouped.do(2, 0.001) == 4


def test_an_interrupted_one_leaves_the_others_to_the_next(
    work: Work, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = threading.Event()

    def interrupt(numbers: Sequence[int]) -> Sequence[int]:
        monkeypatch.setattr(work.grouped, "_work", work.double)
        interrupted.set()
        raise KeyboardInterrupt

    first, *others = started(work, threads, 2, 4, 6)
    monkeypatch.setattr(work.grouped, "_work", interrupt)
    work.let.set()
    assert first.result(BOUND_S) == 4
    outcomes = [each.exception(BOUND_S) or each.result(BOUND_S) for each in others]
    assert interrupted.is_set()
    assert {type(each) for each in outcomes} == {KeyboardInterrupt, int}
    assert work.grouped.do(8) == 16
