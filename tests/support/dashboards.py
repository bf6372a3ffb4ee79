"""A dashboard in a page: found as a person finds it, by roles and names."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Locator, Page
from support import chromium
from support.chromium import BOUND_MS, Visit

from node3nb.marketplace.client import consumer
from node3nb.marketplace.client.client import MarketplaceClient

#: A job that prints a line every now and then until it is ended.
TALKS = (
    "import time\nfor n in range(100_000):\n    print('line', n, flush=True)\n    time.sleep(0.1)\n"
)


@dataclass(frozen=True)
class Stall:
    """A marketplace, and a kernel's way to it."""

    #: Where it listens.
    url: str
    #: Who submits.
    client: MarketplaceClient
    #: The kernel's own home.
    home: Path

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells that start a provider."""
        return (
            f"import os\nos.environ['NODE3_HOME'] = {str(self.home)!r}\n%load_ext node3nb",
            f"p = %node3 start --native-only --slots 2 --marketplace {self.url}",
        )

    def submit(self, command: list[str], **job: Any) -> str:
        """Send a job."""
        return consumer.submit(self.client, {"command": command, **job})


def shown(visit: Visit, stall: Stall, *more: str, name: str = "a.ipynb") -> Page:
    """Open a notebook in Lab, run it, and wait until its dashboard has heard of its provider."""
    visit.server.write(name, *stall.cells, *(more or ("%node3 dashboard",)))
    page = visit.open(f"/lab/tree/{name}?reset")
    chromium.run_all(page)
    live(page)
    return page


def live(page: Page) -> Locator:
    """Return the dashboard of a page, once it shows something."""
    root = page.get_by_role("region", name="node3 provider").first
    root.get_by_role("group", name="Provider controls").wait_for(timeout=BOUND_MS)
    return root


def state(page: Page, word: str) -> None:
    """Wait until the dashboard tells a state."""
    live(page).get_by_role("heading", name=word, exact=True).wait_for(timeout=BOUND_MS)


def press(page: Page, name: str) -> None:
    """Press a button by its name."""
    live(page).get_by_role("button", name=name, exact=True).click()


def execute(page: Page, code: str) -> None:
    """Have the page's kernel run something, as a cell does, and don't wait for it."""
    page.evaluate(
        """code => {
          const shown = window.jupyterapp.shell.currentWidget;
          shown.sessionContext.session.kernel.requestExecute({ code });
        }""",
        code,
    )


def lives(argument: str) -> bool:
    """Whether there is a process with an argument on its command line."""
    for process in psutil.process_iter(["cmdline"]):
        if argument in (process.info["cmdline"] or ()):
            return True
    return False


def eventually(true: Callable[[], Any]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + BOUND_MS / 1000
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
