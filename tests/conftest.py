"""What every test has: a home of its own."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["support.engine_fixtures", "support.transfer_fixtures"]


def pytest_configure() -> None:
    """Have the signals of a terminal: what a shell starts in the background ignores these."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGQUIT"):
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def node3_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep every test away from the owner's own state; a short path, for the sockets in it."""
    with tempfile.TemporaryDirectory(prefix="n3-", ignore_cleanup_errors=True) as home:
        monkeypatch.setenv("NODE3_HOME", home)
        for name in ("NODE3_API_KEY", "NODE3_CONSUMER_KEY", "NODE3_ADMIN_KEY", "NODE3_MARKETPLACE"):
            monkeypatch.delenv(name, raising=False)
        yield Path(home)
