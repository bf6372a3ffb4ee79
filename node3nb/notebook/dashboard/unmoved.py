"""Widgets whose state is the kernel's alone: whoever has a page open writes none of it."""

from __future__ import annotations

import time
from typing import Any

import ipywidgets

#: Times in so many seconds that pages get a widget's whole state, its script included, for asking.
MOST_STATES, STATES_S = 10, 10.0


class Unmoved(ipywidgets.Widget):  # type: ignore[misc, unused-ignore]
    """A widget that takes messages, but no state: not its script, its style or its captions.

    A page may send a new value for any trait; every other page would then show it, and run it,
    if it is the script.
    """

    _asked_from = float("-inf")
    _asked = 0

    def set_state(self, sync_data: Any) -> None:
        """Take nothing."""

    def send_state(self, key: Any = None) -> None:
        """Send traits; all of them, which only pages ask for, not more often than is of use."""
        if key is None and not self._may_ask():
            return
        super().send_state(key)

    def _may_ask(self) -> bool:
        now = time.monotonic()
        if now - self._asked_from > STATES_S:
            self._asked_from, self._asked = now, 0
        self._asked += 1
        return self._asked <= MOST_STATES


class Place(Unmoved, ipywidgets.Layout):  # type: ignore[misc, unused-ignore]
    """Where such a widget stands: no page hides it from the others."""


def answer_at_once(widget: Any) -> None:
    """Have a widget's messages handled where their sender asks, also while a cell runs.

    ipykernel 7.4 sends them to the thread that has last written to the comm; with a thread that
    publishes, that is the main one, behind the cell.
    """
    comm: Any = getattr(widget, "comm", None)
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _, asked: asked  # noqa: SLF001 - there is no other way
