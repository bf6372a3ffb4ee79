"""Who works on a directory: one thread of one process, until it lets go or dies."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from pathlib import Path
from typing import ClassVar

#: Whether the system tells which directories are held by nobody that lives (flock(2)).
TELLS_THE_LIVING = hasattr(os, "fork")


class Claims:
    """The directories this object holds; another one, in whatever process, can't hold them too.

    A lock of the system ends with the process that holds it, so that nothing dead is waited for.
    A process that is forked from this one, by a cell perhaps, holds none of them.
    """

    _all: ClassVar[weakref.WeakSet[Claims]] = weakref.WeakSet()

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, int | None] = {}
        Claims._all.add(self)

    def take(self, name: str, directory: Path) -> bool:
        """Claim a directory under a name that it keeps; return whether it was nobody's before."""
        with self._lock:
            if name in self._held:
                return False
            try:
                self._held[name] = _locked(directory)
            except OSError:
                return False
            return True

    def drop(self, name: str) -> None:
        """Let go of a directory; one that is not held is no error."""
        with self._lock:
            descriptor = self._held.pop(name, None)
        if descriptor is not None:
            os.close(descriptor)

    def holds(self, name: str) -> bool:
        """Whether this object holds it."""
        with self._lock:
            return name in self._held

    def drop_all(self) -> None:
        """Let go of every directory."""
        with self._lock:
            held, self._held = self._held, {}
        for descriptor in held.values():
            if descriptor is not None:
                os.close(descriptor)

    @classmethod
    def inherited(cls) -> None:
        """Let go, in a child that was forked, of what its parent holds."""
        for claims in cls._all:
            claims.begin_anew()

    def begin_anew(self) -> None:
        """Let go of everything, though a thread that is not here may have held the lock."""
        self._lock = threading.Lock()
        self.drop_all()


if TELLS_THE_LIVING:
    os.register_at_fork(after_in_child=Claims.inherited)


def _locked(directory: Path) -> int | None:
    """Return a descriptor that holds the directory; None where the system has no such lock.

    Raises
    ------
    OSError
        Somebody else holds it, or it is gone.
    """
    if not TELLS_THE_LIVING:
        return None
    import fcntl  # noqa: PLC0415 - POSIX only

    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    with contextlib.ExitStack() as closing:
        closing.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        closing.pop_all()
    return descriptor
