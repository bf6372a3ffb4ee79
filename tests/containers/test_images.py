"""Images: pulled by a real dockerd from a registry of ours, counted, refused, removed."""

from __future__ import annotations

import concurrent.futures
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers.conftest import POLICY, forget_images, names, policy, small_disk, take
from support.engines import LOCAL, PLAIN, Dockerd, EngineProcess
from support.native_jobs import Bench, printed, wait_until
from support.small_registry import Registry

from node3nb import DockerManager
from node3nb.containers.images import Images
from node3nb.containers.policy import ContainerPolicy, is_plain_python
from node3nb.containers.pull import SILENCE_S
from node3nb.containers.pulled import PulledImages
from node3nb.containers.references import parse
from node3nb.errors import ConfigError, JobRefused, JobSpecError, TransferCancelled
from node3nb.executor import SilentReporter, choose
from node3nb.files import workspace
from node3nb.jobs import MIB, ExitReason, JobSpec, Requirements


@pytest.fixture(autouse=True)
def _none_of_the_registrys(dockerd: EngineProcess, registry: Registry) -> Iterator[None]:
    yield
    forget_images(dockerd, registry)


def test_pulled_with_progress_and_named_by_digest(
    dockerd: EngineProcess, registry: Registry, room: PulledImages
) -> None:
    notes: list[str] = []
    images = Images(dockerd.api, policy(registry), room)
    assert images.shortfall(f"{registry.host}/one:1") == ""
    digest = take(images, f"{registry.host}/one:1", notes)
    assert digest.startswith(f"{registry.host}/one@sha256:")
    assert notes[0].startswith(f"Pulling image {registry.host}/one:1: ")
    assert [each.reference for each in room.all()] == [f"{registry.host}/one:1"]
    asked = len(registry.asked)
    assert take(images, f"{registry.host}/one:1") == digest
    assert len(registry.asked) == asked, "what is here is not asked for"


def test_nobodys_password_is_sent(
    dockerd: EngineProcess, registry: Registry, room: PulledImages
) -> None:
    take(Images(dockerd.api, policy(registry), room), f"{registry.host}/two:1")
    assert registry.authorized == []


def test_image_that_no_registry_has(
    dockerd: EngineProcess, registry: Registry, room: PulledImages
) -> None:
    images, name = Images(dockerd.api, policy(registry), room), f"{registry.host}/none:1"
    with pytest.raises(JobRefused, match="can't be pulled"):
        take(images, name)
    assert "can't be pulled" in images.shortfall(name), "it is not taken again and again"


@pytest.mark.parametrize(
    ("choices", "why"),
    [
        ({"denied_registries": ("127.*",)}, "is not allowed"),
        ({"pull": False}, "pulling is off"),
    ],
)
def test_pull_denied(
    dockerd: EngineProcess,
    registry: Registry,
    room: PulledImages,
    choices: dict[str, object],
    why: str,
) -> None:
    asked = len(registry.asked)
    images = Images(dockerd.api, policy(registry, **choices), room)
    assert why in images.shortfall(f"{registry.host}/one:1")
    with pytest.raises(JobRefused, match=why):
        take(images, f"{registry.host}/one:1")
    assert len(registry.asked) == asked


@pytest.mark.parametrize("name", ["ghcr.example/x:1", "localhost:5000/x", "192.168.0.1/x"])
def test_only_the_public_registries_by_default(
    dockerd: EngineProcess, room: PulledImages, name: str
) -> None:
    assert "not allowed" in Images(dockerd.api, ContainerPolicy(), room).shortfall(name)


def test_too_large(dockerd: EngineProcess, registry: Registry, room: PulledImages) -> None:
    images = Images(dockerd.api, policy(registry, max_image_bytes=4 * MIB), room)
    with pytest.raises(JobRefused, match="allowed here"):
        take(images, f"{registry.host}/large:1")
    assert room.all() == []
    assert not any(registry.host in name for name in names(dockerd))


def test_cancelled_while_it_is_pulled(
    dockerd: EngineProcess, registry: Registry, room: PulledImages
) -> None:
    cancelled = threading.Event()
    cancelled.set()
    images = Images(dockerd.api, policy(registry), room)
    with (
        pytest.raises(TransferCancelled),
        images.held(f"{registry.host}/three:1", cancelled, lambda _: None),
    ):
        pass


def test_cancelled_while_nothing_comes(
    dockerd: EngineProcess, registry: Registry, room: PulledImages
) -> None:
    registry.add("slow", "1", os.urandom(1000))
    released, cancelled = registry.withhold("slow", "1"), threading.Event()
    images = Images(dockerd.api, policy(registry), room)

    def pull() -> None:
        with images.held(f"{registry.host}/slow:1", cancelled, lambda _: None):
            pass

    with concurrent.futures.ThreadPoolExecutor(1) as one:
        going = one.submit(pull)
        try:
            wait_until(lambda: any("/slow/blobs/" in path for path in registry.asked))
            cancelled.set()
            told = going.exception(SILENCE_S / 4)
        finally:
            released.set()
    assert isinstance(told, TransferCancelled)


def test_small_as_it_is_sent_and_large_on_the_disk(
    registry: Registry, image_room: Path, room: PulledImages
) -> None:
    """A layer unpacks to a thousand times its size while the next is still awaited.

    The disk is the engine's alone, so that nobody else's files are taken for the image's.
    """
    registry.add("bomb", "1", bytes(256 * MIB), os.urandom(1000))
    released = registry.withhold("bomb", "1")
    with (
        small_disk("600m") as place,
        Dockerd(image_room, place) as engine,
        concurrent.futures.ThreadPoolExecutor(1) as one,
    ):
        choices = policy(registry, max_image_bytes=16 * MIB)
        images = Images(engine.api, choices, room, disk=place / "data")
        pull = one.submit(take, images, f"{registry.host}/bomb:1")
        try:
            told = pull.exception(SILENCE_S / 4)
        finally:
            released.set()
        assert isinstance(told, JobRefused)
        assert "takes too much of the disk" in str(told)
        assert names(engine) == {}
        assert room.all() == []


def test_longest_unused_goes_first_and_never_the_owners(
    dockerd: EngineProcess, registry: Registry, room: PulledImages
) -> None:
    dockerd.api.call("POST", "/images/create", fromImage=f"{registry.host}/three", tag="1")
    images = Images(dockerd.api, policy(registry, image_budget_bytes=int(1.5 * MIB)), room)
    with images.held(f"{registry.host}/one:1", threading.Event(), lambda _: None):
        take(images, f"{registry.host}/two:1")
        assert len(room.all()) == 2, "one is in use, two is the newest"
    take(images, f"{registry.host}/large:1")
    assert {each.reference.partition("/")[2] for each in room.all()} == {"large:1"}
    left = {name.partition("@")[0] for name in names(dockerd)}
    assert f"{registry.host}/three:1" in left, "the owner's own stays"
    assert f"{registry.host}/large" in left
    assert not {f"{registry.host}/one", f"{registry.host}/two"} & left
    assert PLAIN in left


def test_owners_images_are_not_shown_to_jobs(dockerd: EngineProcess, room: PulledImages) -> None:
    """A stranger who guesses the name of an image of the owner's does not get it."""
    images = Images(dockerd.api, ContainerPolicy(registries=("nowhere.example",)), room)
    assert images.shortfall(PLAIN) == ""
    assert "not allowed" in images.shortfall(LOCAL)
    allowed = ContainerPolicy(own_images=("docker.io/node3nb-test/*",), registries=("x.example",))
    assert Images(dockerd.api, allowed, room).shortfall(LOCAL) == ""


def test_job_of_an_image_that_can_not_be_had(manager: DockerManager, tmp_path: Path) -> None:
    wanted = JobSpec(("true",), image="nowhere.example/x:1")
    assert choose(wanted, (manager,)).executor is None
    with workspace.temporary(tmp_path, "work") as place:
        result = manager.run(wanted, place, SilentReporter())
    assert result.reason is ExitReason.REFUSED
    assert "nowhere.example is not allowed" in result.message


def test_image_under_a_name_that_can_not_be_pulled(dockerd: EngineProcess, tmp_path: Path) -> None:
    allowed = ContainerPolicy(own_images=("docker.io/node3nb-test/*",), default_image=LOCAL)
    manager = DockerManager(allowed, hints=dockerd.hints)
    try:
        assert printed(Bench(manager, tmp_path).python("print(1)")) == "1\n"
    finally:
        manager.close()


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("python", "docker.io/library/python:latest"),
        ("python:3.11-slim", "docker.io/library/python:3.11-slim"),
        ("me/tool", "docker.io/me/tool:latest"),
        ("ghcr.io/a/b:c", "ghcr.io/a/b:c"),
        ("localhost/x", "localhost/x:latest"),
        ("127.0.0.1:5000/x@sha256:" + "a" * 64, "127.0.0.1:5000/x@sha256:" + "a" * 64),
        ("index.docker.io/x", "docker.io/library/x:latest"),
    ],
)
def test_names(text: str, whole: str) -> None:
    assert str(parse(text)) == whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "A",
        "a b",
        "../x",
        "a//b",
        "a:",
        "a@sha256:1",
        "-x",
        "a/../b",
        "a?x=1",
        "a\n",
        "Me/x",
    ],
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(JobSpecError, match="no name of an image"):
        parse(text)


def test_what_is_a_plain_python() -> None:
    assert all(map(is_plain_python, ("", "python", "python:3.11-slim", "docker.io/library/python")))
    assert not any(map(is_plain_python, ("me/python", "pypy:3", "not a name")))


@pytest.mark.parametrize(
    "choices",
    [{"registries": ("a b",)}, {"max_image_bytes": 0}, {"default_image": "No Name"}],
)
def test_choices_that_can_not_be_kept(choices: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ContainerPolicy(**choices)  # type: ignore[arg-type]


def test_default_is_this_pythons_own_image() -> None:
    assert POLICY.image("") == PLAIN
    assert ContainerPolicy().image("").startswith("python:3.")
    assert ContainerPolicy().image("other:1") == "other:1"


def test_gpus_are_asked_for_by_whoever_has_none(manager: DockerManager) -> None:
    wanted = JobSpec(("true",), requirements=Requirements(gpus=1))
    assert "this machine has none" in choose(wanted, (manager,)).why
