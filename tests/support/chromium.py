"""Debian's Chromium, driven by Playwright; nothing it loads may come from another machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright
from support import needs
from support.jupyter_server import Server

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Milliseconds that any wait may take; nothing takes a tenth of it on an idle machine.
BOUND_MS = 90_000
LOCAL = {"127.0.0.1", "localhost", "::1"}


@dataclass
class Visit:
    """A browser's window on one server, with what it asked of others."""

    context: BrowserContext
    server: Server
    #: URLs off loopback that a page has asked for.
    strayed: list[str] = field(default_factory=list)
    #: What scripts have complained about.
    errors: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Open a page of the server."""
        page = self.context.new_page()
        page.set_default_timeout(BOUND_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        mark = "&" if "?" in path else "?"
        page.goto(f"{self.server.url}{path}{mark}token={self.server.token}")
        return page

    def lab(self, name: str, *, theme: str = "JupyterLab Light") -> Page:
        """Open a notebook in JupyterLab and wait until its kernel is idle."""
        page = self.open(f"/lab/tree/{name}?reset")
        command(page, "apputils:change-theme", theme=theme)
        return page

    def hear(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in {"http", "https", "ws", "wss"} and address.hostname not in LOCAL:
            self.strayed.append(request.url)


def command(page: Page, name: str, **args: Any) -> None:
    """Have the application of a page obey one of its commands."""
    page.wait_for_function("window.jupyterapp?.commands?.listCommands().length > 50")
    page.wait_for_function("name => window.jupyterapp.commands.hasCommand(name)", arg=name)
    page.evaluate(
        "([name, args]) => { window.jupyterapp.commands.execute(name, args); }", [name, args]
    )


def run_all(page: Page) -> None:
    """Run every cell of the notebook that a page shows, as soon as its kernel is idle."""
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_function(
        """() => {
          const shown = window.jupyterapp.shell.currentWidget;
          const kernel = shown?.sessionContext?.session?.kernel;
          return kernel?.status === "idle";
        }"""
    )
    command(page, "notebook:run-all-cells")


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start the browser."""
    path = needs.program("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS, headless=True)
        try:
            yield started
        finally:
            started.close()


@contextlib.contextmanager
def visiting(browser: Browser, server: Server, **options: Any) -> Iterator[Visit]:
    """Open a window; at its end nothing may have been asked of another machine."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 1400}, **options})
    visit = Visit(context, server)
    context.on("request", visit.hear)
    try:
        yield visit
    finally:
        context.close()
    assert visit.strayed == []
