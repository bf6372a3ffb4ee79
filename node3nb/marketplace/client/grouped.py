"""What many threads ask for at once, done together: one call, one transaction, one sync."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Told = TypeVar("Told")


@dataclass(eq=False, slots=True)
class _Wish(Generic[Asked, Told]):
    """What one thread asks for."""

    #: What it asks.
    asked: Asked
    #: What came of it; meaningful once it is over.
    told: Told | Exception | None = None
    #: Whether it has been done.
    over: bool = False


class Grouped(Generic[Asked, Told]):
    """Does together what has come up while the last group was being done.

    The first thread that asks works for all that wait.  Nobody has to wait for company, so that
    a lone one is as fast as without this.

    Parameters
    ----------
    work
        Takes what was asked and returns for each what its asker is told, in the same order; an
        exception among them is raised there, one that it raises itself everywhere.
    fit
        Returns how many of those that wait may go together, from the first on.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Asked]], Sequence[Told | Exception]],
        fit: Callable[[Sequence[Asked]], int] = len,
    ) -> None:
        self._work = work
        self._fit = fit
        self._changed = threading.Condition(threading.Lock())
        self._waiting: list[_Wish[Asked, Told]] = []
        self._busy = False

    def do(self, asked: Asked, linger_s: float = 0.0) -> Told:
        """Have something done, on this thread or on another one that asks; return what came of it.

        Parameters
        ----------
        linger_s
            Seconds for which it may wait to go along with what somebody else asks.

        Raises
        ------
        Exception
            What `work` says of it.
        """
        wish: _Wish[Asked, Told] = _Wish(asked)
        with self._changed:
            self._waiting.append(wish)
            if linger_s:
                self._changed.wait_for(lambda: wish.over, linger_s)
        while group := self._lead(wish):
            self._do_all(group)
        if isinstance(wish.told, Exception):
            raise copy.copy(wish.told) from None  # others raise it on their threads
        return wish.told  # type: ignore[return-value] # it is over

    def _lead(self, wish: _Wish[Asked, Told]) -> list[_Wish[Asked, Told]]:
        """Wait for the end of a wish, or until somebody has to work: return the next group then."""
        with self._changed:
            self._changed.wait_for(lambda: wish.over or not self._busy)
            if wish.over:
                return []
            self._busy = True
            count = max(1, self._fit([each.asked for each in self._waiting]))
            group, self._waiting = self._waiting[:count], self._waiting[count:]
            return group

    def _do_all(self, group: list[_Wish[Asked, Told]]) -> None:
        told: Sequence[Told | Exception] = ()
        try:
            told = self._work([wish.asked for wish in group])
        except Exception as error:  # noqa: BLE001 - raised by each who asked
            told = [error] * len(group)
        finally:
            with self._changed:
                for wish, each in zip(group, told, strict=False):
                    wish.told, wish.over = each, True
                # After an interrupt, those that can still wait are for the next who works.
                self._waiting = [wish for wish in group if not wish.over] + self._waiting
                self._busy = False
                self._changed.notify_all()
