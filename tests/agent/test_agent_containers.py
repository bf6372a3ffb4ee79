"""A provider with a real engine: where each job goes and why, and what an engine's end means."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent.agent_parts import Market, eventually, settings, told
from support import engines
from support.engines import PLAIN, EngineProcess
from support.gates import WAITS, let_go

from node3nb import DockerManager
from node3nb.containers.policy import ContainerPolicy
from node3nb.jobs import Isolation
from node3nb.provider import Provider

POLICY = ContainerPolicy(default_image=PLAIN)
Start = Callable[..., Provider]
HELLO = ["python", "-c", "print('hello')"]


@pytest.fixture(scope="module")
def engine(image_room: Path) -> Iterator[EngineProcess]:
    """A dockerd that may be killed."""
    with engines.running("docker", image_room) as running:
        yield running


@pytest.fixture
def start(market: Market, engine: EngineProcess) -> Iterator[Start]:
    started: list[Provider] = []

    def begin(policy: ContainerPolicy = POLICY) -> Provider:
        manager = DockerManager(policy, hints=engine.hints)
        chosen = settings(containers=policy)
        running = Provider(
            market.url, market.agent(), docker_manager=manager, settings=chosen
        ).start()
        started.append(running)
        return running

    yield begin
    for each in started:
        each.stop()
    assert engine.containers() == []


def test_container_first_and_why(market: Market, start: Start) -> None:
    running = start()
    result = market.result(market.submit(HELLO, docker_image=PLAIN))
    assert (result.executor, result.isolation) == ("container", Isolation.CONTAINER)
    assert result.why.startswith("container: Docker ")
    assert PLAIN in result.why
    assert result.image
    assert told(running, result.why), "%node3 why tells it too"
    assert running.snapshot().executors == ("container", "native")
    assert running.snapshot().isolation is Isolation.CONTAINER


def test_native_when_the_image_is_not_to_be_had(market: Market, start: Start) -> None:
    start()
    result = market.result(market.submit(HELLO, docker_image="x.example/y:1"))
    assert result.executor == "native"
    assert "registry x.example is not allowed" in result.why


def test_never_native_when_it_needs_its_image(market: Market, start: Start) -> None:
    running = start()
    needs = {"isolation": "container"}
    market.submit(HELLO, docker_image="x.example/y:1", requirements=needs)
    eventually(lambda: told(running, "the job needs a container of its own image"))
    result = market.result(market.submit(HELLO, docker_image=PLAIN, requirements=needs))
    assert result.executor == "container"


def test_owner_who_prefers_native(market: Market, start: Start) -> None:
    start(dataclasses.replace(POLICY, prefer_native=True))
    assert market.result(market.submit(HELLO)).executor == "native"
    assert market.result(market.submit(HELLO, docker_image=PLAIN)).executor == "native"
    needs = {"isolation": "container"}
    needy = market.submit(HELLO, docker_image=PLAIN, requirements=needs)
    assert market.result(needy).executor == "container"


def test_engine_that_dies_gives_the_job_back(
    market: Market,
    start: Start,
    engine: EngineProcess,
) -> None:
    running = start()
    job = market.submit(["python", "-c", WAITS], docker_image=PLAIN, max_attempts=3)
    market.until_begun(running, job)
    engine.kill()
    try:
        eventually(lambda: running.snapshot().executors == ("native",))
        eventually(lambda: _runs_natively(running, job))
        market.until_begun(running, job)
        let_go()
        assert market.result(job).executor == "native"
    finally:
        engine.start()
    eventually(lambda: running.snapshot().executors == ("container", "native"))
    result = market.result(market.submit(HELLO, docker_image=PLAIN))
    assert result.executor == "container"


def _runs_natively(running: Provider, job: str) -> bool:
    jobs = running.snapshot().jobs
    return any(each.job_id == job and each.executor == "native" for each in jobs)
