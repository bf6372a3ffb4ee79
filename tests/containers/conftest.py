"""A provider's containers on a real dockerd, and a bench around it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import small_registry
from support.engines import PLAIN, EngineProcess
from support.native_jobs import Bench
from support.small_registry import Registry

from node3nb import DockerManager
from node3nb.containers.images import Images
from node3nb.containers.policy import ContainerPolicy
from node3nb.containers.pulled import PulledImages
from node3nb.jobs import MIB
from node3nb.supervisor.containers.engine_api import EngineRefusal

POLICY = ContainerPolicy(
    default_image=PLAIN,
    own_images=("docker.io/library/python", "docker.io/library/node3nb-*"),
)


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


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """A registry with a few images."""
    with small_registry.serving() as running:
        for name, size in (("one", MIB), ("two", MIB), ("three", MIB), ("large", 8 * MIB)):
            running.add(name, "1", os.urandom(size))
        yield running


@pytest.fixture
def room(tmp_path: Path) -> PulledImages:
    """A note of what was pulled that no other test has."""
    return PulledImages(tmp_path / "images.json", "engine")


def policy(registry: Registry, **choices: object) -> ContainerPolicy:
    """Return a policy by which images come from our registry."""
    return ContainerPolicy(registries=(registry.host,), **choices)  # type: ignore[arg-type]


def take(images: Images, name: str, notes: list[str] | None = None) -> str:
    """Use an image for a moment; return its name with its digest."""
    note = [] if notes is None else notes
    with images.held(name, threading.Event(), note.append) as image:
        return image.digest


def names(engine: EngineProcess) -> dict[str, str]:
    """Return every name an image has, with its id."""
    return {
        str(name): str(image["Id"])
        for image in engine.api.call("GET", "/images/json", all=1)
        for name in [*(image.get("RepoTags") or []), *(image.get("RepoDigests") or [])]
    }


def forget_images(engine: EngineProcess, registry: Registry) -> None:
    """Take away every name of our registry's; an image without another one goes."""
    for name in (name for name in names(engine) if registry.host in name):
        with contextlib.suppress(EngineRefusal):  # a digest goes with the last tag beside it
            engine.api.call("DELETE", f"/images/{name}", force=1)


@contextlib.contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """Give a directory on a file system of its own, by a short path."""
    place = Path(tempfile.mkdtemp(prefix="n3e-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    subprocess.run(mount, check=True, timeout=30)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False, timeout=30)
        place.rmdir()
