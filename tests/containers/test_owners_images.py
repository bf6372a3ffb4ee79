"""What was on an engine before: no job reads it, renames it, or has it removed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from containers.conftest import forget_images, names, policy, take
from support.engines import LOCAL, PLAIN, EngineProcess
from support.small_registry import Registry

from node3nb.containers.images import Images
from node3nb.containers.policy import ContainerPolicy
from node3nb.containers.pulled import PulledImages
from node3nb.errors import JobRefused
from node3nb.jobs import MIB


@pytest.fixture(autouse=True)
def _none_of_the_registrys(dockerd: EngineProcess, registry: Registry) -> Iterator[None]:
    yield
    forget_images(dockerd, registry)


def pull_as_owner(engine: EngineProcess, registry: Registry, name: str) -> None:
    engine.api.call("POST", "/images/create", fromImage=f"{registry.host}/{name}", tag="1")


def test_owners_tag_means_what_it_meant(
    dockerd: EngineProcess, registry: Registry, room: PulledImages
) -> None:
    """The job gets the registry's image of a name; the owner keeps the image of that name."""
    dockerd.tag(PLAIN, f"{registry.host}/one:1")
    before = names(dockerd)
    digest = take(Images(dockerd.api, policy(registry), room), f"{registry.host}/one:1")
    after = names(dockerd)
    assert {name: after.get(name) for name in before} == before
    assert set(after) - set(before) == {digest}
    assert after[digest] != before[PLAIN]


def test_image_the_owner_has_is_never_removed(
    dockerd: EngineProcess, registry: Registry, room: PulledImages
) -> None:
    pull_as_owner(dockerd, registry, "large")
    before = names(dockerd)
    images = Images(dockerd.api, policy(registry, max_image_bytes=4 * MIB), room)
    with pytest.raises(JobRefused, match="allowed here"):
        take(images, f"{registry.host}/large:1")
    assert names(dockerd) == before


@pytest.mark.parametrize("named", ["one", "mine"])
def test_image_that_became_the_owners_stays(
    dockerd: EngineProcess, registry: Registry, room: PulledImages, named: str
) -> None:
    """By the owner's own pull, or by a name of the owner's."""
    images = Images(dockerd.api, policy(registry, image_budget_bytes=1), room)
    digest = take(images, f"{registry.host}/one:1")
    if named == "one":
        pull_as_owner(dockerd, registry, "one")
    else:
        dockerd.tag(digest, f"{registry.host}/{named}:1")
    take(images, f"{registry.host}/two:1")
    assert f"{registry.host}/{named}:1" in names(dockerd)
    assert [each.reference for each in room.all()] == [f"{registry.host}/two:1"]


def test_image_under_two_names_is_removed_all_the_same(
    dockerd: EngineProcess, registry: Registry, room: PulledImages
) -> None:
    content = os.urandom(MIB)
    for name in ("first", "second"):
        registry.add(name, "1", content)
    images = Images(dockerd.api, policy(registry, image_budget_bytes=1), room)
    for name in ("first", "second", "second", "two"):
        take(images, f"{registry.host}/{name}:1")
    here = {name.partition("@")[0] for name in names(dockerd)}
    assert f"{registry.host}/two" in here
    assert not {f"{registry.host}/first", f"{registry.host}/second"} & here


def test_owners_image_of_another_name_is_used_and_keeps_its_names(
    dockerd: EngineProcess, registry: Registry, room: PulledImages
) -> None:
    """The registry gives it to everybody, so jobs may have it; the result tells no other name."""
    registry.add("public", "1", content := os.urandom(1000))
    registry.add("aaa-private", "1", content)
    pull_as_owner(dockerd, registry, "aaa-private")
    before = names(dockerd)
    images = Images(dockerd.api, policy(registry), room)
    for _ in range(2):
        assert "private" not in take(images, f"{registry.host}/public:1")
    assert names(dockerd) == before
    assert room.all() == []


def test_result_tells_no_other_name_of_an_image(
    dockerd: EngineProcess, registry: Registry, room: PulledImages
) -> None:
    registry.add("public", "2", content := os.urandom(1000))
    registry.add("aaa-private", "2", content)
    for name in ("aaa-private", "public"):
        dockerd.api.call("POST", "/images/create", fromImage=f"{registry.host}/{name}", tag="2")
    images = Images(dockerd.api, policy(registry, own_images=(f"{registry.host}/public",)), room)
    digest = take(images, f"{registry.host}/public:2")
    assert digest.startswith(f"{registry.host}/public@sha256:")


def test_what_the_owner_built_is_not_shown(dockerd: EngineProcess, room: PulledImages) -> None:
    """`docker build -t payroll .` makes a docker.io/library/payroll."""
    dockerd.tag(LOCAL, "payroll")
    images = Images(dockerd.api, ContainerPolicy(registries=("nowhere.example",)), room)
    try:
        assert "not allowed" in images.shortfall("payroll")
        with pytest.raises(JobRefused, match="not allowed"):
            take(images, "payroll")
    finally:
        dockerd.api.call("DELETE", "/images/payroll:latest", force=0)


def test_podman_pulls_no_name_that_is_here(
    podman: EngineProcess, registry: Registry, room: PulledImages
) -> None:
    """It can't pull by a name without giving that name away."""
    name = f"{registry.host}/one:1"
    podman.tag(PLAIN, name)
    before, asked = names(podman), len(registry.asked)
    images = Images(podman.api, policy(registry), room, by_digest=False)
    try:
        assert "not for jobs here" in images.shortfall(name)
        with pytest.raises(JobRefused, match="not for jobs here"):
            take(images, name)
        assert names(podman) == before
        assert len(registry.asked) == asked
    finally:
        podman.api.call("DELETE", f"/images/{name}", force=0)


@pytest.mark.parametrize(
    ("denied", "name"),
    [
        ("ghcr.io", "ghcr.io:443/a/b"),
        ("ghcr.io", "GHCR.IO:0443/a/b"),
        ("ghcr.io:443", "ghcr.io/a/b"),
        ("docker.io", "registry-1.docker.io:443/library/x"),
        ("docker.io", "registry.hub.docker.com/library/x"),
        ("registry-1.docker.io", "x"),
    ],
)
def test_registry_denied_by_every_spelling(
    dockerd: EngineProcess, room: PulledImages, denied: str, name: str
) -> None:
    choices = ContainerPolicy(registries=("*",), denied_registries=(denied,))
    images = Images(dockerd.api, choices, room)
    assert "is not allowed" in images.shortfall(name)
    with pytest.raises(JobRefused, match="is not allowed"):
        take(images, name)
