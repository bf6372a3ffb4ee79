"""Dashboard: a provider as one widget, with a static twin for whoever has no kernel."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import anywidget
from ipykernel.kernelbase import Kernel
from IPython import display

from node3nb.agent.records import ProviderState, Snapshot
from node3nb.notebook import snapshot
from node3nb.notebook.dashboard import assets
from node3nb.notebook.dashboard.allowance import ENVELOPE
from node3nb.notebook.dashboard.feed import Feed
from node3nb.notebook.dashboard.publisher import PUBLISHER
from node3nb.notebook.dashboard.unmoved import Place, Unmoved, answer_at_once
from node3nb.provider import Provider

#: Seconds between two updates of the static twin while nothing but numbers changes, and at the
#: least: its two copies are the largest part of what may be sent in that time.
TWIN_S, LEAST_TWIN_S = 20.0, 6.0
WIDGET = "application/vnd.jupyter.widget-view+json"
#: What stands in the widget's place where widgets can't be shown.
WITHOUT_WIDGETS = (
    "The live dashboard is not shown here. In JupyterLab or Notebook, run `pip install "
    "jupyterlab_widgets` where Jupyter itself is installed, and reload the page; in a saved "
    "notebook, run this cell again."
)


class Dashboard(Unmoved, anywidget.AnyWidget):  # type: ignore[misc, unused-ignore]
    """A provider, live: its state, its jobs, its controls and limits.

    It holds nothing but its page: what is shown travels in messages, so that no notebook keeps
    any of it among its widgets' state.

    Parameters
    ----------
    provider
        What is shown.
    """

    _esm = assets.module()
    _css = assets.style()

    def __init__(self, provider: Provider) -> None:
        super().__init__(layout=Place())
        answer_at_once(self)
        self._provider = provider
        self._twins: list[tuple[Any, ProviderState]] = []
        self._twin_at = float("-inf")
        self._feed = Feed(provider, self.send, self._update_twins)
        self.on_msg(lambda _, content, __: self._feed.hear(content))
        PUBLISHER.add(self._feed)

    def close(self) -> None:
        """Let go of the comm; nothing is sent any more."""
        PUBLISHER.remove(self._feed)
        super().close()

    def __repr__(self) -> str:
        return snapshot.text(self._provider.snapshot(snapshot.LISTED))

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {WIDGET: view, "text/plain": WITHOUT_WIDGETS}, {}

    def _ipython_display_(self) -> None:
        """Show the widget and, below it, its static twin, which the widget hides while it lives.

        Raises
        ------
        NotImplementedError
            There is no notebook to show it in: by this IPython goes on to the text.
        """
        if not Kernel.initialized():
            raise NotImplementedError
        bundle, _ = self._repr_mimebundle_()
        show: Any = display.display
        show(bundle, raw=True)
        now = self._provider.snapshot(snapshot.LISTED)
        twin = show(snapshot.bundle(now), raw=True, display_id=True)
        if twin is not None:
            self._twins = [*self._twins[-1:], (twin, now.state)]

    def _update_twins(self, now: Snapshot) -> int:
        """Have saved notebooks show the last state: soon when it is another, else seldom.

        Returns
        -------
        int
            Bytes that were sent for it.
        """
        sent = 0
        passed_s = time.monotonic() - self._twin_at
        for at, (twin, state) in enumerate(self._twins):
            if passed_s >= (TWIN_S if state == now.state else LEAST_TWIN_S):
                self._twin_at = time.monotonic()
                self._twins[at] = (twin, now.state)
                told = snapshot.bundle(now)
                sent += len(json.dumps(told)) + ENVELOPE
                with contextlib.suppress(OSError):
                    twin.update(told, raw=True)
        return sent


_SHOWN: dict[Provider, Dashboard] = {}


def dashboard(provider: Provider) -> Dashboard:
    """Return the dashboard of a provider, always the same one: one comm, one stream of ticks."""
    known = _SHOWN.get(provider)
    if known is None or known.comm is None:
        known = _SHOWN[provider] = Dashboard(provider)
    return known


def close_all() -> None:
    """Let go of every dashboard: nothing is sent any more, and pages say so."""
    while _SHOWN:
        _SHOWN.popitem()[1].close()
