"""Live logs, addressed by byte offset."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from marketplace.market_parts import Market, Person, refusal, said

from node3nb.marketplace.logs import Logs
from node3nb.marketplace.refusals import Conflict

#: Bound of every wait, in seconds.
BOUND_S = 60.0


def send(agent: Person, job_id: str, offset: int, piece: bytes) -> requests.Response:
    return agent.call("PATCH", f"/api/jobs/{job_id}/log?offset={offset}", data=piece)


def test_a_log_grows_and_is_read_from_anywhere(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    agent.lease(job_id)
    assert market.consumer.get(f"/api/jobs/{job_id}/log").content == b""
    assert said(send(agent, job_id, 0, b"one\n")) == {"offset": 4}
    assert said(send(agent, job_id, 4, b"two\n")) == {"offset": 8}
    answer = market.consumer.get(f"/api/jobs/{job_id}/log?offset=4")
    assert (answer.content, answer.headers["X-Next-Offset"]) == (b"two\n", "8")
    beyond = market.consumer.get(f"/api/jobs/{job_id}/log?offset=100")
    assert (beyond.content, beyond.headers["X-Next-Offset"]) == (b"", "100")


def test_a_wrong_offset_is_told_the_right_one(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    agent.lease(job_id)
    said(send(agent, job_id, 0, b"one\n"))
    for offset in (0, 9):
        answer = send(agent, job_id, offset, b"x")
        assert refusal(answer)[0] == 409
        assert answer.json()["offset"] == 4


def test_the_next_attempt_starts_a_log_of_its_own(market: Market) -> None:
    job_id, agent, other = market.consumer.submit(), market.agent(), market.agent()
    lease = agent.lease(job_id)
    said(send(agent, job_id, 0, b"first"))
    said(agent.fail(job_id, lease_id=lease, error_type="internal"))
    assert refusal(send(agent, job_id, 5, b"more"))[0] == 400
    other.lease(job_id)
    said(send(other, job_id, 0, b"second"))
    assert refusal(send(agent, job_id, 5, b"more"))[0] == 403
    assert market.consumer.get(f"/api/jobs/{job_id}/log").content == b"second"


def test_a_job_that_is_given_back_time_and_again_has_one_log(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    for number in range(5):
        lease = agent.lease(job_id)
        said(send(agent, job_id, 0, b"%d" % number))
        said(agent.post(f"/api/jobs/{job_id}/release", {"lease_id": lease}))
    assert market.consumer.get(f"/api/jobs/{job_id}/log").content == b"4"
    assert len(list((market.data_dir / "logs").glob(f"{job_id}-*"))) == 1


def test_a_log_is_bounded(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    agent.lease(job_id)
    assert refusal(send(agent, job_id, 0, bytes((1 << 20) + 1)))[0] == 413
    said(send(agent, job_id, 0, bytes(1 << 20)))
    assert refusal(send(agent, job_id, 1 << 20, b"x"))[0] == 413


def follow(market: Market, job_id: str, offset: int = 0, **query: object) -> requests.Response:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    path = f"/api/jobs/{job_id}/log?follow&offset={offset}&{asked}"
    return market.consumer.get(path)


def state(answer: requests.Response) -> tuple[bytes, int, int, str]:
    told = answer.headers
    numbers = int(told["X-Next-Offset"]), int(told["X-Attempt"])
    return answer.content, *numbers, told["X-Log-Over"]


def test_a_follower_hears_as_soon_as_there_is_something(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    with ThreadPoolExecutor() as pool:
        waits = pool.submit(follow, market, job_id, wait_s=60)
        agent.lease(job_id)
        said(send(agent, job_id, 0, b"one\n"))
        assert state(waits.result(BOUND_S)) == (b"one\n", 4, 1, "false")
        waits = pool.submit(follow, market, job_id, 4, wait_s=60)
        said(agent.complete(job_id))
        assert state(waits.result(BOUND_S)) == (b"", 4, 1, "true")
    assert state(follow(market, job_id, wait_s=60)) == (b"one\n", 4, 1, "true")


def test_a_follower_goes_home_with_nothing_in_time(market: Market) -> None:
    job_id = market.consumer.submit()
    assert state(follow(market, job_id, wait_s=0.1)) == (b"", 0, 0, "false")
    assert refusal(follow(market, job_id, wait_s=61))[0] == 422
    said(market.consumer.post(f"/api/jobs/{job_id}/cancel"))
    assert state(follow(market, job_id, wait_s=60)) == (b"", 0, 0, "true")


def test_a_follower_of_an_earlier_attempt_gets_the_next_from_its_beginning(market: Market) -> None:
    job_id, agent, other = market.consumer.submit(), market.agent(), market.agent()
    lease = agent.lease(job_id)
    said(send(agent, job_id, 0, b"first"))
    said(agent.fail(job_id, lease_id=lease, error_type="internal"))
    other.lease(job_id)
    said(send(other, job_id, 0, b"second"))
    assert state(follow(market, job_id, 5, attempt=1)) == (b"second", 6, 2, "false")
    assert state(follow(market, job_id, 3, attempt=2)) == (b"ond", 6, 2, "false")


def test_pieces_of_two_processes_at_once_do_not_mix(tmp_path: Path) -> None:
    """As two server processes that share the directory would write them."""
    first, second = Logs(tmp_path, 1 << 20), Logs(tmp_path, 1 << 20)
    sent = [0]

    def write(logs: Logs) -> None:
        for _ in range(200):
            with contextlib.suppress(Conflict):
                logs.append("job", 1, logs.append("job", 1, sent[0], b"12345678"), b"ABCDEFGH")
            sent[0] = len(first.read("job", 1, 0))

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, (first, second)))
    content = first.read("job", 1, 0)
    assert {content[at : at + 8] for at in range(0, len(content), 8)} <= {b"12345678", b"ABCDEFGH"}
