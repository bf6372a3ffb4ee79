"""Cheap requests that would hurt: each is refused, or costs no more than another."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from marketplace.market_parts import BASE_QUERY, MACHINE, Market, Person, refusal, said

#: How long the marketplace may be busy with one bad call, in seconds.
BUSY_S = 2.0
#: Bytes of a request's head that nobody needs.
ENDLESS = 16 << 20


def files_of(market: Market, job_id: str) -> set[Path]:
    return set((market.data_dir / "artifacts" / job_id).iterdir())


def held(market: Market, agent: Person) -> tuple[str, dict[str, str]]:
    """Return a job with an input that the agent holds, and the header of its lease."""
    job_id = market.consumer.submit(awaits_input=True)
    said(market.consumer.put(f"/api/jobs/{job_id}/input", b"INPUT"))
    return job_id, {"X-Lease-Id": agent.lease(job_id)}


def test_outputs_equal_to_the_input_do_not_take_it_away(market: Market) -> None:
    agent, other = market.agent(), market.agent()
    job_id, lease = held(market, agent)
    for outputs in (b"INPUT", b"something else"):
        said(agent.put(f"/api/jobs/{job_id}/output", outputs, headers=lease))
    said(agent.post(f"/api/jobs/{job_id}/release", {"lease_id": lease["X-Lease-Id"]}))
    other.lease(job_id)
    answer = other.get(f"/api/jobs/{job_id}/input")
    assert (answer.status_code, answer.content) == (200, b"INPUT")
    assert len(files_of(market, job_id)) == 2


def test_outputs_that_are_replaced_and_sent_again_are_there(market: Market) -> None:
    agent = market.agent()
    job_id, lease = held(market, agent)
    for outputs in (b"one", b"two", b"one"):
        said(agent.put(f"/api/jobs/{job_id}/output", outputs, headers=lease))
    assert market.consumer.get(f"/api/jobs/{job_id}/output").content == b"one"
    assert len(files_of(market, job_id)) == 2


def test_a_refused_input_leaves_nothing_on_the_disk(market: Market) -> None:
    job_id = market.consumer.submit()
    answer = market.consumer.put(f"/api/jobs/{job_id}/input", b"z" * 1000)
    assert refusal(answer)[0] == 409
    assert files_of(market, job_id) == set()
    job_id = market.consumer.submit(awaits_input=True)
    said(market.consumer.put(f"/api/jobs/{job_id}/input", b"first"))
    assert refusal(market.consumer.put(f"/api/jobs/{job_id}/input", b"second"))[0] == 409
    assert market.consumer.get(f"/api/jobs/{job_id}/input").content == b"first"
    assert len(files_of(market, job_id)) == 1


CROWD = {f"{number:x}": 1 for number in range(150_000)}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/agents/register", CROWD),
        ("/api/jobs/available", {**BASE_QUERY, "executors": [1] * 500_000}),
        ("/api/agents/heartbeat", {"jobs": dict.fromkeys(CROWD, "")}),
        ("/api/jobs", {"command": [1] * 500_000}),
        ("/api/jobs", {"command": ["x"], "environment": CROWD}),
        ("/api/jobs", {"command": ["x"], "files": CROWD}),
        ("/api/jobs", {"command": ["x"], "requirements": CROWD}),
    ],
    ids=["register", "available", "heartbeat", "command", "environment", "files", "requirements"],
)
def test_a_crowd_of_faults_costs_no_more_than_one(
    market: Market, path: str, body: dict[str, object]
) -> None:
    who = market.consumer if path == "/api/jobs" else market.agent()
    start = time.monotonic()
    code, detail = refusal(who.post(path, body))
    assert time.monotonic() - start < BUSY_S
    assert code == 422
    assert len(detail) < 400


def test_what_an_agent_says_of_itself_is_short(market: Market) -> None:
    for field in ("wallet_address", "gpu_model", "gpu_vendor", "compute_capability"):
        answer = market.nobody.post("/api/agents/register", {**MACHINE, field: "x" * 1000})
        code, detail = refusal(answer)
        assert (code, detail.startswith(field)) == (422, True), detail


@pytest.mark.parametrize("start", [b"GET /", b"GET /health HTTP/1.1\r\nX-A: "])
def test_an_endless_head_of_a_request_is_cut_off(market: Market, start: bytes) -> None:
    parts = urlsplit(market.url)
    with (
        socket.create_connection((parts.hostname, parts.port), timeout=10) as connection,
        pytest.raises((ConnectionResetError, BrokenPipeError)),
    ):
        _send_without_end(connection, start)


def _send_without_end(connection: socket.socket, start: bytes) -> None:
    connection.sendall(start)
    for _ in range(ENDLESS >> 16):
        connection.sendall(b"a" * (1 << 16))


def test_a_list_of_large_jobs_is_read_without_them(market: Market) -> None:
    for _ in range(3):
        market.consumer.submit(job_type="odd", files={"a": "x" * 1_000_000})
    listed = said(market.consumer.get("/api/jobs", params={"limit": 3}))["jobs"]
    assert [job["job_type"] for job in listed] == ["odd"] * 3
