"""How long a call may take: the caller's choice, and not the server's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Deadline:
    """A time by which a call has to be over, or it is hung up.

    A timeout of a socket begins anew with every byte; this one does not.

    Parameters
    ----------
    seconds
        From its start on.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due = 0.0
        self._over = threading.Event()
        self._hang_up: Callable[[], None] | None = None
        #: Whether the time was up before the call was over.
        self.passed = False

    def hanging_up(self, hang_up: Callable[[], None]) -> Self:
        """Do this when the time is up."""
        self._hang_up = hang_up
        return self

    def extend(self, seconds: float) -> None:
        """Give so many seconds from now on."""
        self._due = time.monotonic() + seconds

    def __enter__(self) -> Self:
        self.extend(self._seconds)
        self._watcher = threading.Thread(target=self._watch, name="deadline", daemon=True)
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while (left_s := self._due - time.monotonic()) > 0:
            if self._over.wait(left_s):
                return
        self.passed = True
        if self._hang_up is not None:
            self._hang_up()
