"""What every test has: a home of its own, and leaves: the process as it was."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.native_jobs import SECRET

from node3nb.config import KEY_VARIABLES

pytest_plugins = [
    "support.engine_fixtures",
    "support.postgresql",
    "support.store_fixtures",
    "support.transfer_fixtures",
]


def pytest_configure() -> None:
    """Have the signals of a terminal, which a shell's background lacks, and a secret to keep."""
    os.environ["NODE3_TEST_SECRET"] = SECRET
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGQUIT"):
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Give back the mask a test has changed: other users have to read what later tests make."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def node3_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keep every test away from the owner's own state; a short path, for the sockets in it."""
    with tempfile.TemporaryDirectory(prefix="n3-", ignore_cleanup_errors=True) as home:
        monkeypatch.setenv("NODE3_HOME", home)
        for name in (*KEY_VARIABLES.values(), "NODE3_MARKETPLACE"):
            monkeypatch.delenv(name, raising=False)
        yield Path(home)
