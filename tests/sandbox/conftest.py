"""Directories that every user can reach: pytest's own are their owner's alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="n3-sandbox-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
