"""One executor of each kind, and a bench around it: native, Docker, Podman."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import needs
from support.engines import PLAIN
from support.native_jobs import Bench

from node3nb import DockerManager
from node3nb.containers.policy import ContainerPolicy
from node3nb.executor import Executor
from node3nb.jobs import Isolation

#: The native levels, weakest first, and the engines.
LEVELS = (Isolation.LIMITS, Isolation.LANDLOCK, Isolation.NAMESPACES)
ENGINES = {"docker": "dockerd", "podman": "podman"}
KINDS = ("native", *ENGINES)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The executor, and the engine behind it."""
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def executor(kind: str, request: pytest.FixtureRequest) -> Iterator[Executor]:
    made: Executor
    if kind not in ENGINES:
        made = needs.native(None if kind == "native" else Isolation(kind))
    else:
        engine = request.getfixturevalue(ENGINES[kind])
        made = DockerManager(ContainerPolicy(default_image=PLAIN), hints=engine.hints)
        assert made.available().available
    yield made
    made.close()
    if kind in ENGINES:
        assert engine.containers() == []


@pytest.fixture(scope="module")
def area(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the workspaces are: one directory, as a provider has, so that something waits."""
    return tmp_path_factory.mktemp("area")


@pytest.fixture
def bench(executor: Executor, area: Path) -> Bench:
    return Bench(executor, area)
