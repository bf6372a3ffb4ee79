"""Long polls: at once when there is a job, one agent per job, gone when the server stops."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import pytest
from marketplace.market_parts import BASE_QUERY, BOTH, CALL_S, Market, Person, SetClock, said

from node3nb.marketplace import waiting
from node3nb.marketplace.app import create_app
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings

DATABASES = BOTH

#: Longer than any test waits for an agent that must not be woken.
LONG_S = 20


@pytest.fixture
def held_back_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep offered jobs from other agents for the whole test."""
    monkeypatch.setattr(waiting, "OFFER_S", 600.0)


def poll(agent: Person, **query: object) -> list[str]:
    return agent.offered(wait_s=LONG_S, free_slots=1, **query)


def settle() -> None:
    """Let agents that were just started arrive; one that is late is served all the same."""
    threading.Event().wait(0.3)


def test_a_poll_is_answered_at_once_when_a_job_is_there(market: Market) -> None:
    job_id = market.consumer.submit()
    assert poll(market.agent()) == [job_id]


def test_a_poll_ends_empty_after_its_wait(market: Market) -> None:
    assert market.agent().offered(wait_s=0.05) == []


@pytest.mark.usefixtures("held_back_long")
def test_each_job_wakes_exactly_one_agent(market: Market) -> None:
    agents = [market.agent() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        polls = [pool.submit(agent.offered, wait_s=3, free_slots=1) for agent in agents]
        settle()
        job_ids = [market.consumer.submit() for _ in range(3)]
        answers = [poll.result(CALL_S) for poll in polls]
    assert sorted(job_id for answer in answers for job_id in answer) == sorted(job_ids)
    assert sorted(map(len, answers)) == [0, 0, 0, 0, 0, 1, 1, 1]


def test_only_an_agent_that_fits_is_woken(market: Market) -> None:
    small, large = market.agent(), market.agent()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(small.offered, wait_s=2, gpu_memory=1)
        second = pool.submit(poll, large, gpu_memory=2)
        settle()
        job_id = market.consumer.submit(gpu_memory_required=2)
        assert second.result(CALL_S) == [job_id]
        assert first.result(CALL_S) == []


def _requeue_by_release(market: Market, job_id: str, holder: Person, _clock: SetClock) -> None:
    said(holder.post(f"/api/jobs/{job_id}/release", {"lease_id": holder.lease(job_id)}))


def _requeue_by_failure(market: Market, job_id: str, holder: Person, _clock: SetClock) -> None:
    said(holder.fail(job_id, lease_id=holder.lease(job_id), error_type="internal"))


def _requeue_by_silence(market: Market, job_id: str, holder: Person, clock: SetClock) -> None:
    holder.lease(job_id)
    clock.advance(1000)
    holder.offered(gpu_memory=0)


@pytest.mark.parametrize("requeue", [_requeue_by_release, _requeue_by_failure, _requeue_by_silence])
def test_a_job_that_is_queued_again_wakes_an_agent(
    market: Market,
    clock: SetClock,
    requeue: Callable[[Market, str, Person, SetClock], None],
) -> None:
    holder, agent = market.agent(), market.agent()
    job_id = market.consumer.submit(awaits_input=True, gpu_memory_required=1)
    said(market.consumer.put(f"/api/jobs/{job_id}/input", b"x"))
    lease = holder.lease(job_id)
    with ThreadPoolExecutor(1) as pool:
        woken = pool.submit(poll, agent, gpu_memory=1)
        settle()
        said(holder.post(f"/api/jobs/{job_id}/release", {"lease_id": lease}))
        assert woken.result(CALL_S) == [job_id]
        requeue(market, job_id, holder, clock)
        woken = pool.submit(poll, agent, gpu_memory=1)
        assert woken.result(CALL_S) == [job_id]


def test_an_input_wakes_an_agent(market: Market) -> None:
    agent, job_id = market.agent(), market.consumer.submit(awaits_input=True)
    with ThreadPoolExecutor(1) as pool:
        woken = pool.submit(poll, agent)
        settle()
        said(market.consumer.put(f"/api/jobs/{job_id}/input", b"x"))
        assert woken.result(CALL_S) == [job_id]


def test_a_job_nobody_accepts_is_offered_to_the_next(market: Market) -> None:
    agents = [market.agent() for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        polls: list[Future[list[str]]] = [pool.submit(poll, agent) for agent in agents]
        settle()
        job_id = market.consumer.submit()
        done, _ = wait(polls, CALL_S, FIRST_COMPLETED)
        assert done
        assert [each.result(CALL_S) for each in polls] == [[job_id], [job_id]]


def test_a_job_is_not_lost_on_an_agent_that_has_left(market: Market) -> None:
    leaver, agent = market.agent(), market.agent()
    host, port = market.url.removeprefix("http://").split(":")
    body = str({**BASE_QUERY, "wait_s": LONG_S}).replace("'", '"').replace("None", "null")
    with socket.create_connection((host, int(port)), timeout=CALL_S) as connection:
        connection.sendall(
            f"POST /api/jobs/available HTTP/1.1\r\nHost: x\r\nX-API-Key: {leaver.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        settle()
    with ThreadPoolExecutor(1) as pool:
        woken = pool.submit(poll, agent)
        settle()
        job_id = market.consumer.submit()
        assert woken.result(CALL_S) == [job_id]


def test_polls_are_let_go_when_the_server_stops(settings: Settings, clock: SetClock) -> None:
    with ThreadPoolExecutor(4) as pool:
        with running(settings, clock) as url:
            market = Market(url, settings.data_dir)
            polls = [pool.submit(market.agent().offered, wait_s=LONG_S) for _ in range(4)]
            settle()
        assert [each.result(CALL_S) for each in polls] == [[], [], [], []]
        market.close()


def test_a_marketplace_that_was_not_opened_leaves_nothing_running(settings: Settings) -> None:
    before = threading.active_count()
    create_app(settings)
    assert threading.active_count() == before
