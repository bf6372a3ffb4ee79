"""Cheap requests that would hurt: each is refused, or costs no more than another."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import time
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from marketplace.market_parts import (
    BASE_QUERY,
    CALL_S,
    MACHINE,
    Market,
    eventually,
    refusal,
    said,
)

from node3nb.marketplace import bodies
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.context import Marketplace
from node3nb.marketplace.resources import of_shape
from node3nb.marketplace.settings import Settings
from node3nb.marketplace.store import leases, views
from node3nb.marketplace.store.queue import Freed
from node3nb.marketplace.waiting import MOST_HELD_BACK, WaitingRoom
from node3nb.marketplace.wire.protocol import AvailableQuery, HeartbeatAnswer
from node3nb.marketplace.wire.words import MAX_ENTRIES

#: CPU time that one bad call may cost the marketplace, which runs in this process, in seconds.
BUSY_S = 2.0
#: Bytes of a request's head that nobody needs.
ENDLESS = 16 << 20


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
    start = time.process_time()
    code, detail = refusal(who.post(path, body))
    assert time.process_time() - start < BUSY_S
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


def test_what_nobody_known_sends_is_small(market: Market) -> None:
    answer = market.nobody.post("/api/agents/register", {**MACHINE, "gpu_model": "x" * (1 << 20)})
    assert refusal(answer)[0] == 413


def test_bodies_of_one_caller_are_held_up_to_a_bound(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MOST_HELD_BYTES", 2 << 20)
    agent, other, parts = market.agent(), market.agent(), urlsplit(market.url)
    head = f"POST /api/agents/heartbeat HTTP/1.1\r\nHost: x\r\nX-API-Key: {agent.key}\r\n"
    first = f"{head}Content-Length: {1 << 20}\r\n\r\n".encode() + b" " * ((1 << 20) - 1)
    with contextlib.ExitStack() as stack:
        held = [
            stack.enter_context(socket.create_connection((parts.hostname, parts.port)))
            for _ in range(3)
        ]
        for connection in held:
            connection.sendall(first)
        ready, _, _ = select.select(held, [], [], CALL_S)
        assert [each.recv(13) for each in ready] == [b"HTTP/1.1 429 "]
        said(other.post("/api/agents/heartbeat"))
    eventually(lambda: agent.post("/api/agents/heartbeat", {"state": "x"}).status_code == 200)


def test_a_call_with_two_lengths_is_refused_and_what_follows_is_not_read(market: Market) -> None:
    lengths = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    first = b"POST /api/agents/heartbeat HTTP/1.1\r\nHost: x\r\n" + lengths
    parts = urlsplit(market.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=CALL_S) as connection:
        connection.sendall(first + b"GET /api/status HTTP/1.1\r\nHost: x\r\n\r\n")
        with connection.makefile("rb") as answers:
            told = answers.read()
    assert told.startswith(b"HTTP/1.1 400 ")
    assert told.count(b"HTTP/1.1 ") == 1


def test_many_who_ask_for_the_status_have_the_jobs_counted_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[None] = []
    count = views.counts

    def counts(connection: sa.Connection) -> dict[str, int]:
        counted.append(None)
        return count(connection)

    monkeypatch.setattr(views, "counts", counts)

    async def crowd() -> None:
        market = Marketplace(settings, time.time)
        async with market.open():
            await asyncio.gather(*(market.late_counts() for _ in range(20)))

    asyncio.run(crowd())
    assert len(counted) == 1


def test_names_that_an_agent_makes_up_cost_one_look(market: Market) -> None:
    agent_id, looks = market.agent().agent_id, []
    named = {f"job-{number}": "lease" for number in range(MAX_ENTRIES)}

    def beat(connection: sa.Connection) -> HeartbeatAnswer:
        sa.event.listen(connection, "before_cursor_execute", lambda *asked: looks.append(asked[2]))
        return leases.renew_named(connection, agent_id, named, 0.0, 90.0)

    assert set(market.do(beat).unknown) == set(named)
    assert len(looks) == 1


def test_a_list_of_large_jobs_is_read_without_them(market: Market) -> None:
    for _ in range(3):
        market.consumer.submit(job_type="odd", files={"a": "x" * 1_000_000})
    listed = said(market.consumer.get("/api/jobs", params={"limit": 3}))["jobs"]
    assert [job["job_type"] for job in listed] == ["odd"] * 3


def test_large_jobs_keep_no_agent_from_reading_what_is_offered(market: Market) -> None:
    for _ in range(12):
        market.consumer.submit(files={"a": "x" * 1_000_000}, priority=1000)
    client = MarketplaceClient(market.url, market.agent().key or "")
    offered = client.available(AvailableQuery(free_slots=20))
    assert 1 <= len(offered) < 12


def test_polls_that_take_nothing_hold_back_so_many_jobs_and_no_more() -> None:
    async def crowd() -> int:
        room, nothing = WaitingRoom(), of_shape("0,0,1.0,0,0,0")
        for number in range(3 * MOST_HELD_BACK):
            room.hold_back(Freed(f"job-{number}", nothing))
        held_back = len(room.held_back)
        room.close()
        return held_back

    assert asyncio.run(crowd()) == MOST_HELD_BACK
