"""A provider's containers on a real dockerd, and a bench around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.engines import PLAIN, EngineProcess
from support.native_jobs import Bench

from node3nb import DockerManager
from node3nb.containers.policy import ContainerPolicy

POLICY = ContainerPolicy(default_image=PLAIN)


@pytest.fixture
def manager(dockerd: EngineProcess) -> Iterator[DockerManager]:
    """A manager no other test has; it leaves no container."""
    made = DockerManager(POLICY, hints=dockerd.hints)
    yield made
    made.close()
    assert dockerd.containers() == []


@pytest.fixture
def bench(manager: DockerManager, tmp_path: Path) -> Bench:
    return Bench(manager, tmp_path)
