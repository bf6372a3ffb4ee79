"""Fixtures of the tests of transfers; a plugin for the modules that name it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from support.file_server import FileServer, file_server
from support.transfer_data import KEY, QUICK

from node3nb.transfers.transfer import Transfer
from node3nb.transfers.url_policy import UrlPolicy


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Run a server that is reached without the environment's proxies."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with file_server() as running:
        yield running


@pytest.fixture
def transfer(server: FileServer) -> Transfer:
    """Return a transfer whose marketplace is the server."""
    return Transfer(UrlPolicy(server.origin), KEY, retries=QUICK)


@pytest.fixture
def never() -> threading.Event:
    """Return a cancellation that does not come, unless the test sets it."""
    return threading.Event()
