"""Both logs of a job in a container, filled from its one stream."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable

from node3nb.supervisor import watch
from node3nb.supervisor.capped_log import CappedLog
from node3nb.supervisor.containers.demux import STDERR, STDOUT, Demux
from node3nb.supervisor.containers.engine_api import CALL_S
from node3nb.supervisor.containers.orders import ContainerOrder
from node3nb.supervisor.streams import BUDGET_BYTES
from node3nb.supervisor.watch import Cause

#: Seconds for which the budget of bytes is meant.
TICK_S = 0.05
#: Seconds an engine gets to pass on what an ended container has printed, as for any answer, and
#: between two looks whether anybody still waits for it.
LAST_WORDS_S, PAUSE_S = CALL_S, 1.0
_CHUNK = 1 << 16


class Logs:
    """The files `stdout` and `stderr` of a job.

    Raises
    ------
    OSError
        One could not be made.
    """

    def __init__(self, order: ContainerOrder) -> None:
        self._demux = Demux()
        self.stdout = CappedLog(os.path.join(order.log, "stdout"), order.log_bytes)
        try:
            self.stderr = CappedLog(os.path.join(order.log, "stderr"), order.log_bytes)
        except OSError:
            self.stdout.close()
            raise
        self._closed = False
        self._of = {STDOUT: self.stdout, STDERR: self.stderr}

        self._lock = threading.Lock()
        #: Set when nothing more will come.
        self.over = threading.Event()

    def listen(self, stream: socket.socket, then: Callable[[], None]) -> None:
        """Read a stream to its end in a thread of its own, at a bounded pace, then call `then`.

        An engine that can't get rid of what a container prints does not answer for it either, so
        nothing that waits for an answer may be what reads.
        """
        stream.settimeout(None)
        threading.Thread(target=self._read, args=(stream, then), daemon=True).start()

    def _read(self, stream: socket.socket, then: Callable[[], None]) -> None:
        budget, until = BUDGET_BYTES, time.monotonic() + TICK_S
        while data := self._received(stream):
            now = time.monotonic()
            self._write(data, now)
            budget -= len(data)
            if now >= until or budget <= 0:
                time.sleep(max(0.0, until - now) if budget <= 0 else 0.0)
                budget, until = BUDGET_BYTES, time.monotonic() + TICK_S
        self.over.set()
        then()

    def _received(self, stream: socket.socket) -> bytes:
        """Return the next bytes; none at the end, however it comes."""
        try:
            return stream.recv(_CHUNK)
        except (OSError, ValueError):
            self.cut()
            return b""

    def hear_out(self, unwanted: Callable[[], bool]) -> None:
        """Wait for the end of what an ended container has printed, for `LAST_WORDS_S` at most."""
        until = time.monotonic() + LAST_WORDS_S
        while not self.over.wait(min(PAUSE_S, LAST_WORDS_S)) and not unwanted():
            if time.monotonic() > until:
                self.cut()
                return

    def cut(self) -> None:
        """Note that an unknown part of both is missing."""
        self.stdout.cut = self.stderr.cut = True

    def _write(self, data: bytes, now: float) -> None:
        with self._lock:
            for number, piece in self._demux.feed(data):
                if number in self._of and not self._closed:
                    self._of[number].write(piece, now)

    def refresh(self, now: float) -> None:
        """Bring the files up to date."""
        with self._lock:
            self.stdout.refresh(now)
            self.stderr.refresh(now)

    def flood(self) -> Cause | None:
        """Return the cause for a stream that has grown beyond all use, if one has."""
        for name, log in (("stdout", self.stdout), ("stderr", self.stderr)):
            if log.total > log.flood_bytes:
                limit = watch.size(log.flood_bytes)
                told = f"The job printed more than {limit} to {name}, which is the limit."
                return Cause("output_limit", told)
        return None

    def close(self) -> None:
        """Bring the files up to date for good and let go of them."""
        with self._lock:
            self._closed = True
            self.stdout.close()
            self.stderr.close()
