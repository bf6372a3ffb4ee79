"""Who works on a directory: one thread of one process, until it lets go or dies."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path


class Claims:
    """The directories this object holds; another one, in whatever process, can't hold them too.

    A lock of the system ends with the process that holds it, so that nothing dead is waited for.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, int | None] = {}

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


def _locked(directory: Path) -> int | None:
    """Return a descriptor that holds the directory; None where the system has no such lock.

    Raises
    ------
    OSError
        Somebody else holds it, or it is gone.
    """
    if not hasattr(os, "fork"):
        return None  # no flock(2)
    import fcntl  # noqa: PLC0415 - POSIX only

    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    with contextlib.ExitStack() as closing:
        closing.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        closing.pop_all()
    return descriptor
