"""A provider's controls as a row of standard widgets, to put into layouts of one's own."""

from __future__ import annotations

import functools
import time
from typing import Any

import anywidget
import ipywidgets

from node3nb.agent.records import ProviderState, Snapshot
from node3nb.inert_text import line
from node3nb.notebook.dashboard import actions
from node3nb.notebook.dashboard.publisher import PUBLISHER
from node3nb.notebook.dashboard.widget import answer_at_once
from node3nb.provider import Provider

#: Seconds after the last sign of life of a page for which labels are kept up to date.
WATCHED_S = 15.0
#: Seconds in which a second press of Stop ends the jobs that run.
CONFIRM_S = 6.0
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


class Pulse(anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]
    """Shows nothing; tells every five seconds that its page is looked at."""

    _esm = _PULSE


class Controls(ipywidgets.HBox):  # type: ignore[misc, unused-ignore]
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
        self._state = ipywidgets.Label(tooltip="What the provider does, and why")
        self._jobs = ipywidgets.Label(tooltip="Jobs that run, and what has been earned today")
        pulse = Pulse(layout=ipywidgets.Layout(width="0", height="0"))
        children = [*self._buttons.values(), self._state, self._jobs, pulse]
        super().__init__(children=children, layout=ipywidgets.Layout(flex_flow="row wrap"))
        for each in (self, *children):
            answer_at_once(each)
        for name, button in self._buttons.items():
            button.on_click(functools.partial(self._clicked, name))
        pulse.on_msg(lambda *_: PUBLISHER.put(self._seen))
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
        self._seen_at = time.monotonic()

    def _clicked(self, name: str, _: Any) -> None:
        """Take a click; on whatever thread the kernel handles it."""
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
            self._state.value = line(problem)

    def _show(self, now: Snapshot) -> None:
        over = now.state in {ProviderState.STOPPING, ProviderState.STOPPED}
        self._state.value = f"{now.state}: {line(now.reason)}"
        self._jobs.value = f"{now.running} running · earned today {now.today.earned:g}"
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
    return ipywidgets.Button(
        description=caption, icon=icon, tooltip=told, layout=ipywidgets.Layout(width="auto")
    )


def controls(provider: Provider) -> Controls:
    """Return controls of a provider; each call makes a row of its own."""
    return Controls(provider)
