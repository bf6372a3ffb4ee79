"""What the browser's tests share: a server, a browser, a marketplace, a page with a dashboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support import chromium, jupyter_server
from support.chromium import Visit
from support.dashboards import Stall
from support.jupyter_server import Server

from node3nb.marketplace import process
from node3nb.marketplace.client.client import MarketplaceClient


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; while it is open, no other event loop runs on the thread of the tests."""
    with chromium.browser() as started:
        yield started


@pytest.fixture(scope="module")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab, Notebook 7 and Voila."""
    with jupyter_server.serving(tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    """A window; what its notebooks have started ends with it."""
    with chromium.visiting(browser, server) as visit:
        yield visit
        server.end_kernels()


@pytest.fixture
def stall(server: Server, tmp_path: Path, node3_home: Path) -> Iterator[Stall]:
    """A marketplace of the test's own, and the cells that provide for it."""
    with process.start(tmp_path / "market") as market:
        keys = json.loads(market.keys_file.read_text())
        yield Stall(market.url, MarketplaceClient(market.url, keys["consumer"]), node3_home)
