"""Keeps the notebooks away from the owner's own state while nbval runs them."""

from __future__ import annotations

import os
import tempfile

import pytest

_home: tempfile.TemporaryDirectory[str] | None = None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Give this run's kernels a home of their own; a short path, for the sockets in it."""
    global _home
    _home = tempfile.TemporaryDirectory(prefix="n3-", ignore_cleanup_errors=True)
    os.environ["NODE3_HOME"] = _home.name
    for name in ("NODE3_API_KEY", "NODE3_CONSUMER_KEY", "NODE3_ADMIN_KEY", "NODE3_MARKETPLACE"):
        os.environ.pop(name, None)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove it."""
    if _home is not None:
        _home.cleanup()
