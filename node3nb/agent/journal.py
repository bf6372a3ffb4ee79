"""What happened to a provider, in words for its owner."""

from __future__ import annotations

import datetime as dt
import threading
from collections import deque
from dataclasses import dataclass

#: Entries kept.
KEPT = 500
#: Entries among which one that is said again takes the place of the earlier one.
RECENT = 6


def now_iso() -> str:
    """Return the time as ISO 8601 in UTC."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened."""

    #: When, as ISO 8601 in UTC.
    at: str
    #: Whether somebody may have to do something about it.
    trouble: bool
    #: One sentence.
    text: str
    #: How many entries there were before it; one that is said again counts anew.
    number: int = 0


class Journal:
    """The last things that happened; written and read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._count = 0

    def note(self, text: str) -> None:
        """Note something in order."""
        self._append(text, trouble=False)

    def trouble(self, text: str) -> None:
        """Note something the owner may have to act upon; said again and again, it counts once."""
        self._append(text, trouble=True)

    def entries(self) -> tuple[Entry, ...]:
        """Return what is kept, oldest first."""
        with self._lock:
            return tuple(self._entries)

    def _append(self, text: str, *, trouble: bool) -> None:
        with self._lock:
            entry = Entry(now_iso(), trouble, text, self._count)
            self._count += 1
            recent = [self._entries.pop() for _ in range(min(RECENT, len(self._entries)))]
            self._entries.extend(each for each in reversed(recent) if each.text != text)
            self._entries.append(entry)
