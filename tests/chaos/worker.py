"""A thread that does what is asked of it in order; what it starts ends with it at the latest."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class Worker:
    """Does one step after the other, until one goes wrong.

    Parameters
    ----------
    name
        What it is called.
    """

    def __init__(self, name: str) -> None:
        self._steps: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        #: What went wrong; None when nothing has.
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()

    def ask(self, step: Callable[[], None]) -> None:
        """Have a step done when those before it are."""
        self._steps.put(step)

    def settle(self) -> None:
        """Wait until all that was asked is done.

        Raises
        ------
        AssertionError
            Something went wrong.
        """
        done = threading.Event()
        self.ask(done.set)
        while not done.wait(0.1):
            self.check()

    def close(self) -> None:
        """Let go of the thread once all is done."""
        self._steps.put(None)
        self._thread.join()

    def check(self) -> None:
        """See that nothing has gone wrong.

        Raises
        ------
        AssertionError
            Something has.
        """
        if self.error is not None:
            raise AssertionError(f"{self._thread.name}: {self.error!r}") from self.error

    def _live(self) -> None:
        while (step := self._steps.get()) is not None:
            try:
                step()
            except BaseException as error:
                self.error = error
                return
