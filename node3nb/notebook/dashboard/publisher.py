"""Publisher: the one thread that owns every widget write, for as long as somebody looks.

While a cell runs nothing that is put on the kernel's own loop is delivered, and a handler may
run on the main thread or on a subshell's.  Handlers therefore only enqueue, and this thread
does the rest.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol

#: Seconds between two ticks.
TICK_S = 1.0
#: Seconds after the last sign of life of a page for which it is kept up to date.
WATCHED_S = 15.0
_log = logging.getLogger(__name__)


class Surface(Protocol):
    """Something that shows a provider."""

    def watched(self) -> bool:
        """Whether somebody looks at it."""

    def tick(self) -> None:
        """Bring it up to date."""


class Publisher:
    """Does what is put to it, and ticks every surface that is looked at; ends when none is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._surfaces: list[Surface] = []

    def add(self, surface: Surface) -> None:
        """Have a surface ticked from now on."""
        with self._lock:
            self._surfaces.append(surface)

    def remove(self, surface: Surface) -> None:
        """Forget a surface; one that is not there is no error."""
        with self._lock, contextlib.suppress(ValueError):
            self._surfaces.remove(surface)

    def put(self, work: Callable[[], None]) -> None:
        """Have something done on the thread, soon; callable from any thread, returns at once."""
        with self._lock:
            self._work.put(work)
            if self._thread is None:
                self._thread = self._new_thread()
                self._thread.start()

    def _new_thread(self) -> threading.Thread:
        # ipykernel 7 finds its shell's parent in a context variable; a plain thread has none
        # of it and raises LookupError(shell_parent) at the first comm message.
        context = contextvars.copy_context()
        return threading.Thread(
            target=context.run, args=(self._live,), name="node3nb-publisher", daemon=True
        )

    def _live(self) -> None:
        due = time.monotonic()
        while True:
            self._do(max(due - time.monotonic(), 0.0))
            if time.monotonic() >= due:
                due = time.monotonic() + TICK_S
                self._tick()
                if self._over():
                    return

    def _do(self, wait_s: float) -> None:
        with contextlib.suppress(queue.Empty):
            self._tried(self._work.get(timeout=wait_s) if wait_s else self._work.get_nowait())

    def _tick(self) -> None:
        with self._lock:
            surfaces = list(self._surfaces)
        for surface in surfaces:
            if surface.watched():
                self._tried(surface.tick)

    def _over(self) -> bool:
        """Whether nobody looks and nothing is to be done; then the thread is no more."""
        with self._lock:
            if not self._work.empty() or any(each.watched() for each in self._surfaces):
                return False
            self._thread = None
            return True

    @staticmethod
    def _tried(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:  # noqa: BLE001 - one display that fails must not end the others
            _log.exception("A display could not be brought up to date.")


#: The publisher of this process.
PUBLISHER = Publisher()
