"""What is remembered of the latest few names: strangers choose them, so the oldest ones go."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

#: Names of which something is remembered at once.
MOST_NAMES = 256
_Noted = TypeVar("_Noted")


class Recent(Generic[_Noted]):
    """Notes by name, the latest of them; used by many threads."""

    def __init__(self) -> None:
        self._notes: dict[str, _Noted] = {}
        self._lock = threading.Lock()

    def note(self, name: str, noted: _Noted) -> None:
        """Remember something of a name, in the place of what was."""
        with self._lock:
            self._notes.pop(name, None)
            self._notes[name] = noted
            while len(self._notes) > MOST_NAMES:
                del self._notes[next(iter(self._notes))]

    def of(self, name: str) -> _Noted | None:
        """Return what is remembered of a name; None for nothing."""
        return self._notes.get(name)
