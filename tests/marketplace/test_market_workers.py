"""Workers that die at once are replaced ever later; others at once."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from marketplace.market_parts import SetClock

from node3nb.marketplace.settings import Settings
from node3nb.marketplace.workers import LOOK_S, STEADY_S, Post, Worker

#: Bound of the end of a process, in seconds.
END_S = 60


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


class Starts:
    """Starts real workers, and notes when."""

    def __init__(self, listener: socket.socket, data_dir: Path, clock: SetClock) -> None:
        self.started: list[Worker] = []
        self.at: list[float] = []
        self._listener, self._settings, self._clock = listener, Settings(data_dir), clock

    def __call__(self) -> Worker:
        self.started.append(Worker(self._listener, self._settings))
        self.at.append(self._clock() - 1_800_000_000)
        return self.started[-1]


def test_workers_that_die_at_once_come_ever_later(
    listener: socket.socket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    clock = SetClock()
    starts = Starts(listener, tmp_path, clock)
    post = Post(starts, clock)
    for _ in range(200):
        post.worker._process.wait(END_S)
        post.fill()
        clock.advance(LOOK_S)
    later = [end - begin for begin, end in pairwise(starts.at)]
    assert later == [1, *(wait_s + LOOK_S for wait_s in (2, 4, 8, 16, 30, 30, 30, 30, 30))]
    assert len(caplog.messages) == len(starts.at)
    assert caplog.messages[2] == (
        "A server process has ended with exit code 1; another one starts in 4 s."
    )


def test_a_worker_that_lived_is_replaced_at_once(
    listener: socket.socket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SetClock()
    starts = Starts(listener, tmp_path, clock)
    post = Post(starts, clock)
    for lived_s in (STEADY_S, STEADY_S + 1):
        clock.advance(lived_s)
        post.fill()
        post.worker._process.kill()
        post.worker._process.wait(END_S)
        post.fill()
    assert starts.at == [0, STEADY_S, 2 * STEADY_S + 1]
    assert "exit code -9; another one starts in 0 s." in caplog.text
    post.worker._process.kill()
    post.worker.close()
