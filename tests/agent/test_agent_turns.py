"""An agent that makes few calls: with marketplaces that know turns and with those that don't."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from agent.agent_parts import BOUND_S
from marketplace.market_parts import COMPLETION, MACHINE, Market, eventually
from support import base_faults
from support.base_marketplace import BaseMarketplace

from node3nb.agent.settings import Settings as Choices
from node3nb.errors import LeaseLost, MarketplaceBusy, MarketplaceRejected
from node3nb.job_manager import JobManager
from node3nb.marketplace.client import ahead
from node3nb.marketplace.client.agent_client import AgentClient
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings
from node3nb.marketplace.wire.protocol import AvailableQuery, Completion, Failure, Registration

TURN = "/api/jobs/turn"
DONE = Completion(**COMPLETION)
QUERY = AvailableQuery(max_concurrent_jobs=1, free_slots=1, wait_s=0.5)


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    settings = Settings(tmp_path / "market", None)
    with running(settings) as url:
        market = Market(url, settings.data_dir)
        yield market
        market.close()


@pytest.fixture
def base() -> Iterator[BaseMarketplace]:
    with BaseMarketplace() as base:
        yield base


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def registered(url: str) -> AgentClient:
    client = AgentClient(url)
    client.use_key(client.register(Registration(**MACHINE)).api_key)
    return client


def together(
    client: AgentClient, threads: ThreadPoolExecutor, *calls: Callable[[], Any]
) -> list[Future[Any]]:
    """Make calls at once: the first that works waits until the others stand behind it."""
    work, begun, go = client._turns._work, threading.Event(), threading.Event()

    def held(wishes: Any) -> Any:
        begun.set()
        assert go.wait(BOUND_S)
        return work(wishes)

    client._turns._work = held
    running = [threads.submit(calls[0])]
    assert begun.wait(BOUND_S)
    running += [threads.submit(call) for call in calls[1:]]
    eventually(lambda: len(client._turns._waiting) == len(calls) - 1)
    client._turns._work = work
    go.set()
    return running


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the calls that clients make."""
    made: list[str] = []
    post = AgentClient._post

    def noted(self: AgentClient, path: str, *args: Any, **how: Any) -> Any:
        made.append(path)
        return post(self, path, *args, **how)

    monkeypatch.setattr(AgentClient, "_post", noted)
    return made


def test_what_is_told_at_once_goes_in_one_call(
    market: Market, threads: ThreadPoolExecutor, paths: list[str]
) -> None:
    client, jobs = registered(market.url), [market.consumer.submit() for _ in range(4)]
    first, *others = together(
        client, threads, *(lambda job=job: client.accept(job, "w") for job in jobs)
    )
    leases = [each.result(BOUND_S).lease_id for each in (first, *others)]
    assert len(set(leases)) == 4
    assert paths.count(TURN) == 1
    reports = [Completion(**COMPLETION, lease_id=lease) for lease in leases]
    calls = [lambda j=j, r=r: client.complete(j, r) for j, r in zip(jobs, reports, strict=True)]
    for each in together(client, threads, *calls):
        assert each.result(BOUND_S) is None
    assert {market.consumer.status(job) for job in jobs} == {"completed"}
    assert market.audit().exact


def test_each_hears_what_is_its_own(market: Market, threads: ThreadPoolExecutor) -> None:
    client, good, bad = registered(market.url), market.consumer.submit(), market.consumer.submit()
    market.agent().lease(bad)
    lease = client.accept(good, "w").lease_id
    first, refused, taken = together(
        client,
        threads,
        lambda: client.accept(bad, "w"),
        lambda: client.complete(bad, DONE),
        lambda: client.complete(good, Completion(**COMPLETION, lease_id=lease)),
    )
    for each in (first, refused):
        with pytest.raises(LeaseLost):
            each.result(BOUND_S)
    assert taken.result(BOUND_S) is None


def test_one_that_is_not_understood_does_not_keep_the_others(
    market: Market, threads: ThreadPoolExecutor
) -> None:
    client = registered(market.url)
    jobs = [market.consumer.submit() for _ in range(3)]
    leases = {job: client.accept(job, "w").lease_id for job in jobs}
    odd = Failure.model_construct(**{**COMPLETION, "error_message": "x" * 20_000})
    first, refused, taken = together(
        client,
        threads,
        *(
            lambda: client.complete(jobs[0], Completion(**COMPLETION, lease_id=leases[jobs[0]])),
            lambda: client.fail(jobs[1], odd),
            lambda: client.complete(jobs[2], Completion(**COMPLETION, lease_id=leases[jobs[2]])),
        ),
    )
    with pytest.raises(MarketplaceRejected):
        refused.result(BOUND_S)
    assert (first.result(BOUND_S), taken.result(BOUND_S)) == (None, None)
    assert {market.consumer.status(job) for job in (jobs[0], jobs[2])} == {"completed"}


@pytest.mark.parametrize("code", [None, 403, 405])
def test_a_marketplace_without_turns_is_asked_once(
    base: BaseMarketplace, threads: ThreadPoolExecutor, paths: list[str], code: int | None
) -> None:
    if code is not None:
        base.inject(f"POST {TURN}", *[base_faults.status(code)] * 5)
    client = registered(base.url)
    for _ in range(2):
        jobs = [base.add_job(["true"]) for _ in range(3)]
        for each in together(
            client, threads, *(lambda job=job: client.accept(job, "w") for job in jobs)
        ):
            assert each.result(BOUND_S).lease_id is None
        for each in together(
            client, threads, *(lambda job=job: client.complete(job, DONE) for job in jobs)
        ):
            assert each.result(BOUND_S) is None
    assert {job.status for job in base.jobs.values()} == {"completed"}
    assert all(len(job.accepted) == len(job.completed) == 1 for job in base.jobs.values())
    assert paths.count(TURN) == 1


def test_a_busy_marketplace_is_left_alone_by_all(
    base: BaseMarketplace, threads: ThreadPoolExecutor
) -> None:
    client, jobs = registered(base.url), [base.add_job(["true"]) for _ in range(3)]
    base.inject(f"POST {TURN}", base_faults.status(429, "7"))
    _, *others = together(
        client, threads, *(lambda job=job: client.accept(job, "w") for job in jobs)
    )
    for each in others:
        error = each.exception(BOUND_S)
        assert isinstance(error, MarketplaceBusy)
        assert error.retry_after_s == 7.0


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are short here, and offers fresh, however slow the machine."""
    monkeypatch.setattr(ahead, "AHEAD_S", BOUND_S)
    monkeypatch.setattr(ahead, "FRESH_S", BOUND_S)


@pytest.mark.usefixtures("unhurried")
def test_the_next_job_is_offered_with_the_end_of_one(market: Market, paths: list[str]) -> None:
    client, jobs = registered(market.url), [market.consumer.submit() for _ in range(3)]
    assert [job["job_id"] for job in client.available(QUERY)] == jobs[:1]
    lease = client.accept(jobs[0], "w").lease_id
    client.complete(jobs[0], Completion(**COMPLETION, lease_id=lease))
    assert paths.pop() == TURN
    made = len(paths)
    assert [job["job_id"] for job in client.available(QUERY)] == jobs[1:2]
    assert len(paths) == made


def test_an_offer_that_has_waited_too_long_is_not_taken_up(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, jobs = registered(market.url), [market.consumer.submit() for _ in range(2)]
    client.available(QUERY)
    lease = client.accept(jobs[0], "w").lease_id
    client.complete(jobs[0], Completion(**COMPLETION, lease_id=lease))
    monkeypatch.setattr(ahead, "FRESH_S", 0.0)
    client._ahead.offered([{"job_id": "stale"}])
    eventually(lambda: not client._ahead.at_hand)


@pytest.mark.usefixtures("unhurried")
def test_many_short_jobs_run_once_each(market: Market) -> None:
    jobs = [market.consumer.submit(command=["python", "-c", "pass"]) for _ in range(24)]
    agent = JobManager(
        market.url, settings=Choices(max_concurrent_jobs=2, max_jobs=len(jobs), wait_s=1.0)
    )
    asyncio.run(asyncio.wait_for(agent.start(), BOUND_S))
    told = [market.consumer.job(job) for job in jobs]
    assert {each["status"] for each in told} == {"completed"}
    assert {each["attempts"] for each in told} == {1}
    assert market.audit().exact
