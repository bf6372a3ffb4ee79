"""Beside a pull: hangs it up when it takes too much of the disk, or when nobody wants it."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

#: Seconds between two looks.
LOOK_S = 0.1
#: Bytes that others may write on the same disk meanwhile.
OTHERS_BYTES = 128 << 20


class PullWatch:
    """A thread beside a pull; a context manager.

    An engine tells how much is sent, not how much that becomes; so what the disk has left is
    looked at. A layer may unpack to a thousand times what was sent.

    Parameters
    ----------
    disk
        A directory on the engine's disk; None where that can't be seen.
    most_bytes
        Largest size of the image on the disk.
    sent
        How many bytes of it are sent, as far as is known.
    cancelled
        Whether nobody wants it any more.
    """

    def __init__(
        self,
        disk: Path | None,
        most_bytes: int,
        sent: Callable[[], int],
        cancelled: threading.Event,
    ) -> None:
        self._disk = disk
        self._most_bytes = most_bytes
        self._sent = sent
        self._cancelled = cancelled
        self._free_at_first = 0
        self._free_at_first = self._free()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="node3nb-pull", daemon=True)
        self._connection: socket.socket | None = None
        #: Whether it took too much of the disk.
        self.too_much = False

    def attend(self, connection: socket.socket) -> None:
        """Take the connection that is to be shut down."""
        self._connection = connection

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            self.too_much = self.too_much or self._free() < self._least()
            if (self.too_much or self._cancelled.is_set()) and self._connection is not None:
                with contextlib.suppress(OSError):
                    self._connection.shutdown(socket.SHUT_RDWR)

    def _least(self) -> int:
        """Return what the disk has to have left: what was granted is gone, and never nearly all."""
        granted = self._most_bytes + self._sent() + OTHERS_BYTES
        return max(self._free_at_first - granted, self._free_at_first // 10)

    def _free(self) -> int:
        """Return how many bytes the disk has left; where that can't be seen, as many as ever."""
        if self._disk is None:
            return self._free_at_first
        try:
            state = os.statvfs(self._disk)
        except OSError:
            return self._free_at_first
        return state.f_bavail * state.f_frsize
