"""What a provider is doing and why; changed from any thread, awaited on its loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from node3nb.agent.records import ProviderState
from node3nb.errors import NotRunning

_ENDING = frozenset({ProviderState.STOPPING, ProviderState.STOPPED})


class Standing:
    """The state of one provider with its reason."""

    def __init__(self) -> None:
        #: What it is doing.
        self.state = ProviderState.STARTING
        #: Why, in a sentence.
        self.reason = "It is getting ready."
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()

    @property
    def ending(self) -> bool:
        """Whether it stops or has stopped."""
        return self.state in _ENDING

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake waiters on this loop from now on."""
        self._loop = loop

    def move(self, state: ProviderState, reason: str) -> None:
        """Enter a state; one that is over stays over."""
        if self.ending and state not in _ENDING:
            raise NotRunning
        self.state, self.reason = state, reason
        self.poke()

    def explain(self, reason: str) -> None:
        """Say why a running provider does what it does."""
        if self.state is ProviderState.RUNNING:
            self.reason = reason

    def poke(self) -> None:
        """Have every waiter look again."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        waiting, self._changed = self._changed, asyncio.Event()
        waiting.set()

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Return as soon as `holds` does, looking after every change."""
        while True:
            changed = self._changed
            if holds():
                return
            await changed.wait()
