"""Engines of our own, one of each kind for every worker of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import engines
from support.engines import EngineProcess


@pytest.fixture(scope="session")
def image_room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where images are made, the same for every worker."""
    base = tmp_path_factory.getbasetemp()
    room = (base.parent if base.name.startswith("popen-") else base) / "images"
    room.mkdir(exist_ok=True)
    return room


@pytest.fixture(scope="session")
def dockerd(image_room: Path) -> Iterator[EngineProcess]:
    """A dockerd with our image."""
    with engines.running("docker", image_room) as engine:
        yield engine


@pytest.fixture(scope="session")
def podman(image_room: Path) -> Iterator[EngineProcess]:
    """A podman with our image."""
    with engines.running("podman", image_room) as engine:
        yield engine
