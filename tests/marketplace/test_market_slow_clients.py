"""Clients that send or read slowly, or call too often at once, hold nobody up for long."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from marketplace.market_parts import CALL_S, MACHINE, Market, eventually, in_progress, said

from node3nb.marketplace.manners import slow_heads, visit
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings

#: Bytes that no buffer between the two ends holds.
BEYOND_BUFFERS = 32 << 20


@pytest.fixture
def strict(settings: Settings) -> Iterator[Market]:
    """A marketplace that takes few calls, and large files."""
    few = replace(settings, calls_at_once=2, max_artifact_bytes=BEYOND_BUFFERS)
    with running(few) as url:
        market = Market(url, settings.data_dir, settings.database_url)
        yield market
        market.close()


def connection(market: Market) -> socket.socket:
    host, port = market.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=CALL_S)


def ended(line: socket.socket) -> bytes:
    """Read until the other end has closed; a reset is an end too."""
    heard = b""
    try:
        while piece := line.recv(4096):
            heard += piece
    except ConnectionResetError:
        pass
    return heard


@pytest.mark.parametrize("head", [b"", b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_head_that_does_not_come_is_not_waited_for(
    market: Market, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr(slow_heads, "HEAD_S", 0.3)
    with connection(market) as line:
        line.sendall(head)
        assert ended(line) == b""
    assert said(market.nobody.get("/health"))["status"] == "healthy"


def test_a_head_that_drips_is_not_waited_for(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_heads, "HEAD_S", 0.3)
    over = threading.Event()
    with connection(market) as line:

        def drip() -> None:
            try:
                line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
                while not over.wait(0.02):
                    line.sendall(b"X-Drip: x\r\n")
            except OSError:
                return

        thread = threading.Thread(target=drip)
        thread.start()
        heard = ended(line)
        over.set()
        thread.join()
    assert b"200" not in heard


def test_a_body_that_does_not_come_is_told(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visit, "PATIENCE_S", 0.3)
    with connection(market) as line:
        line.sendall(b"POST /api/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        heard = ended(line)
    assert heard.startswith(b"HTTP/1.1 408")
    assert b"too-slow" in heard


def test_an_upload_that_stops_is_told_and_leaves_nothing(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visit, "PATIENCE_S", 0.3)
    job_id = market.consumer.submit(awaits_input=True)
    head = (
        f"PUT /api/jobs/{job_id}/input HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
        f"X-API-Key: {market.consumer.key}\r\n\r\nhalf"
    )
    with connection(market) as line:
        line.sendall(head.encode())
        assert ended(line).startswith(b"HTTP/1.1 408")
    assert market.consumer.status(job_id) == "pending"
    parts = list((market.data_dir / "artifacts").rglob("*.part"))
    assert parts == []


def test_what_nobody_reads_is_not_sent_for_ever(
    strict: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_heads, "READ_S", 0.3)
    job_id = strict.consumer.submit(awaits_input=True)
    said(strict.consumer.put(f"/api/jobs/{job_id}/input", b"x" * BEYOND_BUFFERS))
    key = f"X-API-Key: {strict.consumer.key}\r\n"
    ask = f"GET /api/jobs/{job_id}/input HTTP/1.1\r\nHost: x\r\n{key}\r\n"
    with connection(strict) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(ask.encode())
        eventually(lambda: in_progress(strict) == 2)
        eventually(lambda: in_progress(strict) == 1)


def test_few_calls_at_once(strict: Market) -> None:
    lines = [connection(strict) for _ in range(2)]
    try:
        for line in lines:
            line.sendall(b"POST /api/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        eventually(lambda: strict.nobody.post("/api/agents/register", MACHINE).status_code == 429)
    finally:
        for line in lines:
            line.close()
    eventually(lambda: strict.nobody.post("/api/agents/register", MACHINE).status_code == 200)
