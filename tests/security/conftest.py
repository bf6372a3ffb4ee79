"""The house of attacks: each of its rooms is run once for all tests of a worker."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from security.scenarios import House

from node3nb.files.removal import remove_tree


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    place = Path(tempfile.mkdtemp(prefix="n3-security-"))
    yield House(place)
    remove_tree(place)
