"""Several server processes behind one port: started, replaced when they die, ended together."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, cast

from pydantic import TypeAdapter

from node3nb.marketplace.settings import Settings

#: How often they are looked at, in seconds.
LOOK_S = 1.0
#: How long a worker has to live so that its end is no reason to wait with the next, in seconds.
STEADY_S = 60.0
#: Waits before a worker takes the place of one that did not live so long: each twice the one
#: before, from the first to the last, in seconds.
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0
#: Seconds a worker gets to end.
STOP_S = 20.0

_SETTINGS = TypeAdapter(Settings)

_log = logging.getLogger(__name__)


class Worker:
    """One server process; it ends with this one, however this one ends.

    Parameters
    ----------
    listener
        Where it listens.
    settings
        How it is run; told through a pipe, as they may hold a password.
    """

    def __init__(self, listener: socket.socket, settings: Settings) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "node3nb.marketplace", "--worker", str(listener.fileno())],
            bufsize=0,
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._tells = cast("IO[bytes]", self._process.stdin)
        self._says = cast("IO[bytes]", self._process.stdout)
        with contextlib.suppress(BrokenPipeError):  # it has ended, and is replaced
            self._tells.write(_SETTINGS.dump_json(settings) + b"\n")

    def await_ready(self) -> None:
        """Wait until it serves, or has ended."""
        self._says.readline()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How it ended; below 0 is the signal that ended it."""
        return self._process.poll()

    def stop(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def close(self) -> None:
        """Wait until it has ended, and see to it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self._process.kill()
        self._process.wait()
        self._tells.close()
        self._says.close()


class Post:
    """A place for one worker; the next one comes the later, the more have died at once.

    Parameters
    ----------
    start
        Starts a worker.
    clock
        Tells the seconds that pass.
    """

    def __init__(
        self, start: Callable[[], Worker], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._start = start
        self._clock = clock
        self._wait_s = 0.0
        #: When the next worker may start; None while one lives.
        self._again_at: float | None = None
        self._started_at = clock()
        #: Who is there, or was there last.
        self.worker = start()

    def fill(self) -> None:
        """Start a worker if there is none and it is time for one."""
        if self._again_at is None and not self.worker.alive:
            self._bury()
        if self._again_at is not None and self._clock() >= self._again_at:
            self._again_at, self._started_at = None, self._clock()
            self.worker = self._start()

    def _bury(self) -> None:
        now = self._clock()
        steady = now - self._started_at >= STEADY_S
        longer_s = max(FIRST_WAIT_S, min(2 * self._wait_s, LONGEST_WAIT_S))
        self._wait_s = 0.0 if steady else longer_s
        self._again_at = now + self._wait_s
        _log.warning(
            "A server process has ended with exit code %s; another one starts in %g s.",
            self.worker.exit_code,
            self._wait_s,
        )
        self.worker.close()


def told() -> Settings:
    """Return the settings a worker is told on its standard input; nothing after them is read."""
    with open(0, "rb", buffering=0, closefd=False) as pipe:
        return _SETTINGS.validate_json(pipe.readline())


def run(
    listener: socket.socket, settings: Settings, count: int, announce: Callable[[], None]
) -> None:
    """Keep workers running until SIGINT or SIGTERM.

    Parameters
    ----------
    listener
        Where they listen.
    settings
        How they are run.
    count
        How many there are.
    announce
        Is called once all serve.
    """
    with _ends() as ended:
        posts = [Post(lambda: Worker(listener, settings)) for _ in range(count)]
        try:
            for post in posts:
                post.worker.await_ready()
            announce()
            while not ended.wait(LOOK_S):
                for post in posts:
                    post.fill()
        finally:
            for post in posts:
                post.worker.stop()
            for post in posts:
                post.worker.close()


@contextlib.contextmanager
def _ends() -> Iterator[threading.Event]:
    """Take the signals that end a process as an event."""
    ended = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: ended.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
