"""Which containers are a provider's, and their removal: at once, later, or by the next one."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import re
import threading
from collections.abc import Callable, Iterator

from node3nb.supervisor.containers import container
from node3nb.supervisor.containers.container import Container, Owner
from node3nb.supervisor.containers.engine_api import EngineAPI, EngineGone, EngineRefusal
from node3nb.supervisor.containers.hardened import HOME, PROVIDER

#: Seconds between two tries to remove what an engine that was gone still has.
RETRY_S = 2.0
#: What a provider's name looks like: others write labels too.
_PROVIDER = re.compile(r"[0-9a-f]{12}")


class Ledger:
    """The containers of this provider that are not known to be removed.

    Parameters
    ----------
    owner
        Whose they are.
    locks
        Directory in which each provider that lives holds the lock of a file.

    Raises
    ------
    OSError
        The lock could not be had.
    """

    def __init__(self, owner: Owner, locks: str) -> None:
        self._owner = owner
        self._locks = locks
        self._numbers = itertools.count(1)
        self._engine_of: dict[str, str] = {}
        self._engines: set[str] = set()
        self._left: set[str] = set()
        self._guard = threading.Lock()
        self._something_left = threading.Event()
        self._lock = _hold_for_life(self._path(owner.provider))
        threading.Thread(target=self._remove_later, daemon=True).start()

    def name(self, engine: str) -> str:
        """Return a name for a new container, known before the engine makes it."""
        name = f"node3nb-{self._owner.provider}-{next(self._numbers)}"
        with self._guard:
            self._engine_of[name] = engine
            self._engines.add(engine)
        return name

    @contextlib.contextmanager
    def kept(self, name: str) -> Iterator[None]:
        """Have a container removed if it could not be made."""
        try:
            yield
        except BaseException:
            self._leave(name)
            raise

    def remove(self, made: Container) -> None:
        """Remove a container now, or as soon as its engine can."""
        try:
            made.remove()
        except (EngineRefusal, EngineGone):
            self._leave(made.name)
        else:
            self._forget(made.name)

    def _forget(self, name: str) -> None:
        with self._guard:
            self._engine_of.pop(name, None)
            self._left.discard(name)

    def _leave(self, name: str) -> None:
        with self._guard:
            self._left.add(name)
        self._something_left.set()

    def remove_all(self) -> None:
        """Remove every container of this provider, all at the same time."""
        with self._guard:
            known, engines = list(self._engine_of), list(self._engines)
        _all_at_once(self._remove, known)
        _all_at_once(self._remove_labelled, engines)

    def close(self) -> None:
        """Let go of the lock."""
        with contextlib.suppress(OSError):
            os.unlink(self._path(self._owner.provider))
        os.close(self._lock)

    def sweep(self, engine: str) -> None:
        """Remove what providers of this owner have left behind that live no more."""
        with contextlib.suppress(EngineGone, EngineRefusal):
            for found, provider in self._labelled(engine, f"{HOME}={self._owner.home}"):
                self._sweep(engine, found, provider)
        for name in os.listdir(self._locks):
            provider, ending = os.path.splitext(name)
            if ending == ".lock" and self._is_another(provider):
                self._forget_ended(provider)

    def _is_another(self, provider: str) -> bool:
        return provider != self._owner.provider and bool(_PROVIDER.fullmatch(provider))

    def _sweep(self, engine: str, found: str, provider: str) -> None:
        if not self._is_another(provider):
            return
        try:
            lock = _hold(self._path(provider))
        except BlockingIOError:
            return
        try:
            container.remove(EngineAPI(engine), found)
        finally:
            os.close(lock)

    def _forget_ended(self, provider: str) -> None:
        """Remove the lock of a provider that nobody holds: one without a lock has ended, too."""
        path = self._path(provider)
        with contextlib.suppress(OSError):
            lock = _hold(path)
            try:
                os.unlink(path)
            finally:
                os.close(lock)

    def _remove_labelled(self, engine: str) -> None:
        with contextlib.suppress(EngineGone, EngineRefusal):
            for found, _ in self._labelled(engine, f"{PROVIDER}={self._owner.provider}"):
                container.remove(EngineAPI(engine), found)

    @staticmethod
    def _labelled(engine: str, label: str) -> list[tuple[str, str]]:
        """Return id and provider of every container with a label."""
        filters = json.dumps({"label": [label]})
        found = EngineAPI(engine).call("GET", "/containers/json", all=1, filters=filters)
        return [(each["Id"], (each.get("Labels") or {}).get(PROVIDER, "")) for each in found]

    def _remove(self, name: str) -> bool:
        try:
            container.remove(EngineAPI(self._engine_of[name]), name)
        except (EngineGone, EngineRefusal, KeyError):
            return False
        self._forget(name)
        return True

    def _remove_later(self) -> None:
        """Try again and again, as long as this process lives."""
        pause = threading.Event()
        while True:
            self._something_left.wait()
            self._something_left.clear()
            with self._guard:
                left = list(self._left)
            removed = [self._remove(name) for name in left]
            pause.wait(RETRY_S)
            if not all(removed):
                self._something_left.set()

    def _path(self, provider: str) -> str:
        return os.path.join(self._locks, f"{provider}.lock")


def _hold_for_life(path: str) -> int:
    """Return a descriptor that holds a lock of our own; who sweeps may take it for a left one."""
    while True:
        lock = _hold(path, fcntl.LOCK_EX)
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(path), os.fstat(lock)):
                return lock
        os.close(lock)


def _hold(path: str, how: int = fcntl.LOCK_EX | fcntl.LOCK_NB) -> int:
    """Return a descriptor that holds a file's lock for as long as it is open.

    Raises
    ------
    BlockingIOError
        Another process holds it.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, how)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _all_at_once(step: Callable[[str], object], names: list[str]) -> None:
    threads = [threading.Thread(target=step, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
