"""Debian's Chromium, driven by Playwright; nothing it loads may come from another machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Error, Page, Route, sync_playwright
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
#: What Voila's own page asks for, whatever notebook it shows: icons and formulas.
VOILAS_OWN = (
    "https://cdn.jsdelivr.net/npm/@fortawesome/",
    "https://cdnjs.cloudflare.com/ajax/libs/mathjax/",
)
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
        page.on("pageerror", self.complain)
        mark = "&" if "?" in path else "?"
        page.goto(f"{self.server.url}{path}{mark}token={self.server.token}")
        return page

    def pass_local(self, route: Route) -> None:
        """Let a request through to this machine; note any other, and stop it."""
        address = urlsplit(route.request.url)
        if address.scheme not in {"http", "https"} or address.hostname in LOCAL:
            route.continue_()
            return
        if not route.request.url.startswith(VOILAS_OWN):
            self.strayed.append(route.request.url)
        route.abort()

    def complain(self, error: Error) -> None:
        """Note what a script of ours complains about: a widget's module has a `blob:` address."""
        if "blob:" in (error.stack or ""):
            self.errors.append(f"{error}: {error.stack}")


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
    context.route("**/*", visit.pass_local)
    try:
        yield visit
    finally:
        context.close()
    assert visit.strayed == [], visit.strayed
