"""The agent as the seed of this project writes it: in plain asyncio, on no thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable

import pytest
from agent.agent_parts import BOUND_S, SLEEPS, Market

import node3nb
from node3nb import JobManager, config
from node3nb.agent.records import ProviderState
from node3nb.errors import AlreadyRunning
from node3nb.jobs import JobResult

GPU = {
    "gpu_model": "RTX 4090",
    "gpu_vendor": "NVIDIA",
    "gpu_type": "nvidia",
    "compute_framework": "CUDA",
    "gpu_memory": 24 << 30,
    "compute_capability": "8.9",
}


def new_agent(market: Market) -> JobManager:
    return JobManager(
        marketplace_url=market.url, api_key=market.agent(), gpu_info=GPU, docker_manager=None
    )


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(BOUND_S):
        while not true():  # noqa: ASYNC110 - what is waited for happens on other threads
            await asyncio.sleep(0.02)


def test_the_names_of_the_seed_are_there() -> None:
    for name in ("JobManager", "NativeExecutor", "DockerManager"):
        assert getattr(node3nb, name).__name__ == name


def test_it_serves_on_the_loop_it_is_awaited_on(market: Market) -> None:
    async def main() -> tuple[JobResult | None, set[str]]:
        agent = new_agent(market)
        job_id = await asyncio.to_thread(market.submit, ["python", "-c", "print(6 * 7)"])
        serving = asyncio.create_task(agent.start())
        await until(lambda: agent.snapshot().completed)
        with pytest.raises(AlreadyRunning):
            await agent.start()
        agent.stop()
        await serving
        with pytest.raises(AlreadyRunning):
            await agent.start()
        assert agent.snapshot().state is ProviderState.STOPPED
        return agent.result(job_id), {thread.name for thread in threading.enumerate()}

    result, threads = asyncio.run(main())
    assert result is not None
    assert result.stdout == "42\n"
    assert "node3nb-provider" not in threads


def test_its_word_on_the_gpu_counts(market: Market) -> None:
    async def main() -> None:
        job_id = await asyncio.to_thread(market.submit, ["true"], gpu_memory_required=20 << 30)
        agent = new_agent(market)
        serving = asyncio.create_task(agent.start())
        await until(lambda: agent.result(job_id))
        agent.stop()
        await serving

    asyncio.run(main())


@pytest.mark.parametrize(
    ("gpu", "field"),
    [
        ({"gpu_memory": "24GB"}, "gpu_info.gpu_memory"),
        ({"gpu_memory": -1}, "gpu_info.gpu_memory"),
        ({"gpu_model": 4090}, "gpu_info.gpu_model"),
    ],
)
def test_a_gpu_that_is_none_is_refused_by_name(gpu: dict[str, object], field: str) -> None:
    with pytest.raises(node3nb.errors.ConfigError, match=field):
        JobManager("http://127.0.0.1:9", gpu_info=gpu)


def test_two_starts_at_once_are_one(market: Market) -> None:
    async def main() -> None:
        agent = new_agent(market)
        first, second = asyncio.create_task(agent.start()), asyncio.create_task(agent.start())
        with pytest.raises(AlreadyRunning):
            await second
        await agent.wait_until_serving()
        agent.stop()
        await first

    asyncio.run(main())


def test_another_thread_stops_it(market: Market) -> None:
    async def main() -> None:
        agent = new_agent(market)
        serving = asyncio.create_task(agent.start())
        await agent.wait_until_serving()
        threading.Thread(target=agent.stop).start()
        await asyncio.wait_for(serving, BOUND_S)

    asyncio.run(main())


@pytest.mark.parametrize("cancellations", [1, 3])
def test_a_cancelled_start_still_cleans_up(market: Market, cancellations: int) -> None:
    async def main() -> str:
        agent = new_agent(market)
        job_id = await asyncio.to_thread(market.submit, SLEEPS)
        serving = asyncio.create_task(agent.start())
        await until(lambda: "begun" in (agent.logs(job_id) or ("",))[0])
        for _ in range(cancellations):
            serving.cancel()
            await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert agent.snapshot().state is ProviderState.STOPPED
        return job_id

    job_id = asyncio.run(main())
    assert market.client.job(job_id).status == "available"
    assert os.listdir(config.work_dir()) == []


def test_a_loop_that_dies_is_not_silent(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error nobody foresaw, in the way to the marketplace, is told and lived through."""
    agent = new_agent(market)
    broken = iter([True])

    def ensure() -> bool:
        if next(broken, False):
            raise OSError(28, "No space left on device")
        return False

    monkeypatch.setattr(agent._enrolment, "ensure", ensure)

    async def main() -> None:
        serving = asyncio.create_task(agent.start())
        await until(lambda: any("No space left" in event.text for event in agent.events()))
        job_id = await asyncio.to_thread(market.submit, ["true"])
        await until(lambda: agent.result(job_id))
        agent.stop()
        await serving

    asyncio.run(main())
