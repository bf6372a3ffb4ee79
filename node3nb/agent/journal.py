"""What happened to a provider, in words for its owner."""

from __future__ import annotations

import datetime as dt
import threading
from collections import deque
from dataclasses import dataclass

#: Entries kept.
KEPT = 500


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


class Journal:
    """The last things that happened; written and read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque(maxlen=KEPT)

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
        entry = Entry(now_iso(), trouble, text)
        with self._lock:
            if self._entries and self._entries[-1].text == text:
                self._entries.pop()
            self._entries.append(entry)
