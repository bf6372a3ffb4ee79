"""Jobs an agent is offered before it has room for them, as its jobs end that fast."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from node3nb.marketplace.wire.protocol import AvailableQuery

#: As many jobs are asked for ahead as have ended in this time, in seconds: for so many there will
#: be room again.  It is half of what our marketplace holds an offer back from others.
AHEAD_S = 0.5
#: Most of them; our marketplace offers no more at once.
MOST = 20
#: Seconds after which an offer is not taken up any more: others may have been offered it since.
FRESH_S = 0.9


class Ahead:
    """Offers at hand, and how many more to ask for; for any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._query: AvailableQuery | None = None
        self._ended: deque[float] = deque(maxlen=MOST)
        self._offers: deque[tuple[float, Any]] = deque(maxlen=MOST)
        self._polls = 0
        self._asking = False

    @property
    def at_hand(self) -> bool:
        """Whether there are offers: one is accepted as soon as there is room for it."""
        with self._changed:
            return bool(self._fresh())

    @contextlib.contextmanager
    def polling(self, query: AvailableQuery) -> Iterator[list[Any]]:
        """Give the offers at hand that a poll has room for; while it has none, it is made."""
        with self._changed:
            # What is on its way would be held back from the very poll that waits for it.
            self._changed.wait_for(lambda: not self._asking, FRESH_S)
            self._query = query
            offers = self._taken(query.free_slots or 1)
            self._polls += not offers
        try:
            yield offers
        finally:
            with self._changed:
                self._polls -= not offers

    def ended(self) -> None:
        """Count a job that takes no room any more."""
        self._ended.append(time.monotonic())

    @contextlib.contextmanager
    def asking(self) -> Iterator[AvailableQuery | None]:
        """Give what to ask the marketplace for with another call; None when nothing is needed."""
        with self._changed:
            query = self._wanted()
            self._asking = query is not None
        try:
            yield query
        finally:
            with self._changed:
                self._asking = False
                self._changed.notify_all()

    def offered(self, jobs: list[Any]) -> None:
        """Keep what was offered."""
        with self._changed:
            self._offers.extend((time.monotonic(), job) for job in jobs)

    def _wanted(self) -> AvailableQuery | None:
        lately = time.monotonic() - AHEAD_S
        wanted = sum(at > lately for at in self._ended) - len(self._fresh())
        if self._query is None or self._polls or wanted < 1:
            return None
        return self._query.model_copy(update={"wait_s": 0.0, "free_slots": wanted})

    def _taken(self, room: int) -> list[Any]:
        """Take the oldest offers at hand."""
        offers = self._fresh()
        return [offers.popleft()[1] for _ in range(min(room, len(offers)))]

    def _fresh(self) -> deque[tuple[float, Any]]:
        """Forget the offers that are not fresh any more; return the others."""
        since = time.monotonic() - FRESH_S
        while self._offers and self._offers[0][0] < since:
            self._offers.popleft()
        return self._offers
