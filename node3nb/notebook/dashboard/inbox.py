"""Inbox: what views have asked and nobody has looked at yet; small, however much is asked."""

from __future__ import annotations

import threading

from node3nb.notebook.dashboard.requests import Request

#: Requests that wait at once; a person presses no more buttons in a second.
MOST_WAITING = 32


class Inbox:
    """Requests of views: signs of life as one, of the others no more than a few."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._noticed = self._new = False
        self._waiting: list[Request] = []

    def put(self, request: Request) -> bool:
        """Take a request, from any thread; return whether it is the first that waits.

        What is too much is dropped: its view shows that it waits, and it can be asked again.
        """
        with self._lock:
            first = not self._noticed
            self._noticed = True
            self._new |= request.new
            if request.kind != "ping" and len(self._waiting) < MOST_WAITING:
                self._waiting.append(request)
            return first

    def take(self) -> tuple[bool, list[Request]]:
        """Return whether some view knows nothing yet, and what is to be done; forget both."""
        with self._lock:
            new, waiting = self._new, self._waiting
            self._noticed = self._new = False
            self._waiting = []
            return new, waiting
