"""A provider's controls as a row of standard widgets, to put into layouts of one's own."""

from __future__ import annotations

import functools
import time
from typing import Any

import anywidget
import ipywidgets

from node3nb.agent.records import ProviderState, Snapshot
from node3nb.inert_text import line
from node3nb.notebook import page
from node3nb.notebook.dashboard import actions
from node3nb.notebook.dashboard.allowance import Allowance
from node3nb.notebook.dashboard.publisher import PUBLISHER, WATCHED_S
from node3nb.notebook.dashboard.unmoved import Place, Unmoved, answer_at_once
from node3nb.provider import Provider

#: Seconds in which a second press of Stop ends the jobs that run.
CONFIRM_S = 6.0
#: Bytes of what a click changes on all pages: captions, states of buttons, each with its envelope.
CLICK_BYTES = 6 * 1024
#: Each button: what it does, its caption, its icon, what it says when it is pointed at.
BUTTONS = (
    ("start", "Start", "play", "Take jobs"),
    ("pause", "Pause", "pause", "Take no more jobs; those that run go on"),
    ("drain", "Drain", "hourglass-half", "Take no more jobs; stop when those that run are done"),
    ("stop", "Stop", "stop", "Stop now; what runs is given back"),
)
_PULSE = """
export default {
  render({ model }) {
    const ping = () => document.hidden || model.send({ kind: "ping" });
    const timer = setInterval(ping, 5000);
    document.addEventListener("visibilitychange", ping);
    ping();
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", ping);
    };
  },
};
"""


class Pulse(Unmoved, anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]
    """Shows nothing; tells every five seconds that its page is looked at."""

    _esm = _PULSE


class Told(Unmoved, ipywidgets.HTML):  # type: ignore[misc, unused-ignore]
    """A text that is shown as it is: no markup, and no formulas, which a Label would typeset."""

    def tell(self, text: str) -> None:
        """Show a text."""
        shown = page.escape(line(text))
        self.value = f"<span {page.NO_MATH}>{shown}</span>"


class Press(Unmoved, ipywidgets.Button):  # type: ignore[misc, unused-ignore]
    """A button whose caption and state no page changes."""


class Controls(Unmoved, ipywidgets.HBox):  # type: ignore[misc, unused-ignore]
    """Start, Pause, Drain, Stop, the state and the number of jobs.

    Parameters
    ----------
    provider
        What is controlled.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._seen_at = float("-inf")
        self._confirm_until = float("-inf")
        self._buttons = {name: _button(*rest) for name, *rest in BUTTONS}
        self._allowance = Allowance(time.monotonic)
        self._state = Told(tooltip="What the provider does, and why")
        self._jobs = Told(tooltip="Jobs that run, and what has been earned today")
        pulse = Pulse(layout=Place(width="0", height="0"))
        children = [*self._buttons.values(), self._state, self._jobs, pulse]
        super().__init__(children=children, layout=Place(flex_flow="row wrap"))
        for each in (self, *children):
            answer_at_once(each)
        for name, button in self._buttons.items():
            button.on_click(functools.partial(self._clicked, name))
        pulse.on_msg(lambda *_: self._seen())
        self._show(provider.snapshot(0))
        PUBLISHER.add(self)

    def close(self) -> None:
        """Let go of every comm; nothing is kept up to date any more."""
        PUBLISHER.remove(self)
        for each in self.children:
            each.close()
        super().close()

    def watched(self) -> bool:
        """Whether a page has shown them lately."""
        return time.monotonic() - self._seen_at < WATCHED_S

    def tick(self) -> None:
        """Bring labels and buttons up to date; what is as it was costs no message."""
        self._show(self._provider.snapshot(0))

    def _seen(self) -> None:
        slept, self._seen_at = not self.watched(), time.monotonic()
        if slept:
            PUBLISHER.put(self.tick)

    def _clicked(self, name: str, _: Any) -> None:
        """Take a click, on whatever thread the kernel handles it; of a flood, few."""
        if self._allowance.left() >= CLICK_BYTES:
            self._allowance.spend(CLICK_BYTES)
            PUBLISHER.put(functools.partial(self._act, name))

    def _act(self, name: str) -> None:
        running = self._provider.snapshot(0).running
        if name == "stop" and running and not self._confirming:
            self._confirm_until = time.monotonic() + CONFIRM_S
            self._buttons["stop"].description = f"Stop {running} running?"
            return
        self._confirm_until = float("-inf")
        actions.act(self._provider, name, self._answer)

    @property
    def _confirming(self) -> bool:
        return time.monotonic() < self._confirm_until

    def _answer(self, problem: str) -> None:
        PUBLISHER.put(functools.partial(self._told, problem))

    def _told(self, problem: str) -> None:
        self.tick()
        if problem:
            self._state.tell(problem)

    def _show(self, now: Snapshot) -> None:
        over = now.state in {ProviderState.STOPPING, ProviderState.STOPPED}
        self._state.tell(f"{now.state}: {now.reason}")
        self._jobs.tell(f"{now.running} running · earned today {now.today.earned:g}")
        usable = {
            "start": now.state in {ProviderState.PAUSED, ProviderState.STOPPED},
            "pause": now.state is ProviderState.RUNNING,
            "drain": now.state in {ProviderState.RUNNING, ProviderState.PAUSED},
            "stop": not over,
        }
        for name, button in self._buttons.items():
            button.disabled = not usable[name]
        if not self._confirming:
            self._buttons["stop"].description = "Stop"


def _button(caption: str, icon: str, told: str) -> Any:
    return Press(description=caption, icon=icon, tooltip=told, layout=Place(width="auto"))


def controls(provider: Provider) -> Controls:
    """Return controls of a provider; each call makes a row of its own."""
    return Controls(provider)
