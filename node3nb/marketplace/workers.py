"""Several server processes behind one port: started, replaced when they die, ended together."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import IO, cast

from pydantic import TypeAdapter

from node3nb.marketplace.settings import Settings

#: Shortest time between two starts in one place, in seconds.
PAUSE_S = 1.0
#: Seconds a worker gets to end.
STOP_S = 20.0

_SETTINGS = TypeAdapter(Settings)


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
        workers = [Worker(listener, settings) for _ in range(count)]
        try:
            for worker in workers:
                worker.await_ready()
            announce()
            while not ended.wait(PAUSE_S):
                _replace_dead(workers, listener, settings)
        finally:
            for worker in workers:
                worker.stop()
            for worker in workers:
                worker.close()


def _replace_dead(workers: list[Worker], listener: socket.socket, settings: Settings) -> None:
    for place, worker in enumerate(workers):
        if not worker.alive:
            worker.close()
            workers[place] = Worker(listener, settings)


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
