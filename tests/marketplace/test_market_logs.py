"""Live logs, addressed by byte offset."""

from __future__ import annotations

import requests
from marketplace.market_parts import Market, Person, refusal, said


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


def test_a_log_is_bounded(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    agent.lease(job_id)
    assert refusal(send(agent, job_id, 0, bytes((1 << 20) + 1)))[0] == 413
    said(send(agent, job_id, 0, bytes(1 << 20)))
    assert refusal(send(agent, job_id, 1 << 20, b"x"))[0] == 413
