"""Keeps the notebooks away from the owner's own state while nbval runs them."""

from __future__ import annotations

import os
import tempfile

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Give this run's kernels a home of their own; a short path, for the sockets in it."""
    home = tempfile.TemporaryDirectory(prefix="n3-", ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    os.environ["NODE3_HOME"] = home.name
    for name in ("NODE3_API_KEY", "NODE3_CONSUMER_KEY", "NODE3_ADMIN_KEY", "NODE3_MARKETPLACE"):
        os.environ.pop(name, None)
