"""Inputs and outputs: whole, verified, resumable, and only for whom they are."""

from __future__ import annotations

import hashlib
import os
import socket

import pytest
from marketplace.market_parts import BOTH, Market, Person, SetClock, eventually, refusal, said

DATABASES = BOTH

CONTENT = os.urandom(3 << 20)
#: The bound that conftest.py sets.
MAX_BYTES = 4 << 20
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def agent(market: Market) -> Person:
    return market.agent()


def held(market: Market, agent: Person) -> tuple[str, str]:
    """Return a job that the agent holds, and the path of its outputs."""
    job_id = market.consumer.submit()
    agent.lease(job_id)
    return job_id, f"/api/jobs/{job_id}/output"


def test_a_file_arrives_as_it_was_sent(market: Market, agent: Person) -> None:
    job_id, path = held(market, agent)
    answer = said(agent.put(path, CONTENT, headers={"X-Content-SHA256": SHA256}))
    assert answer == {"job_id": job_id, "bytes": len(CONTENT), "sha256": SHA256}
    got = market.consumer.get(path)
    assert got.content == CONTENT
    assert got.headers["X-Content-SHA256"] == SHA256
    assert got.headers["ETag"] == f'"{SHA256}"'


def test_a_broken_download_is_resumed(market: Market, agent: Person) -> None:
    _, path = held(market, agent)
    said(agent.put(path, CONTENT))
    asked = {"Range": "bytes=1000000-", "If-Range": f'"{SHA256}"'}
    rest = market.consumer.get(path, headers=asked)
    assert (rest.status_code, rest.content) == (206, CONTENT[1_000_000:])


def test_a_download_of_a_changed_file_starts_again(market: Market, agent: Person) -> None:
    _, path = held(market, agent)
    said(agent.put(path, CONTENT))
    said(agent.put(path, b"other"))
    asked = {"Range": "bytes=2-", "If-Range": f'"{SHA256}"'}
    answer = market.consumer.get(path, headers=asked)
    assert (answer.status_code, answer.content) == (200, b"other")


def test_outputs_sent_again_replace_the_earlier_ones(market: Market, agent: Person) -> None:
    job_id, path = held(market, agent)
    for content in (b"one", b"one", b"two"):
        said(agent.put(path, content))
    kept = market.data_dir / "artifacts" / job_id
    assert [file.read_bytes() for file in kept.iterdir()] == [b"two"]


def test_a_wrong_checksum_is_refused_and_nothing_kept(market: Market, agent: Person) -> None:
    _, path = held(market, agent)
    answer = agent.put(path, CONTENT, headers={"X-Content-SHA256": "0" * 64})
    assert refusal(answer)[0] == 422
    assert refusal(market.consumer.get(path))[0] == 404
    assert list((market.data_dir / "artifacts" / "arriving").iterdir()) == []


def test_a_malformed_checksum_is_refused(market: Market, agent: Person) -> None:
    _, path = held(market, agent)
    code, detail = refusal(agent.put(path, b"x", headers={"X-Content-SHA256": "abc"}))
    assert code == 422
    assert detail.startswith("X-Content-SHA256: ")


@pytest.mark.parametrize("announced", [True, False])
def test_too_large_a_file_is_refused(market: Market, agent: Person, *, announced: bool) -> None:
    _, path = held(market, agent)
    content = bytes(MAX_BYTES + 1)
    body = content if announced else iter([content])
    assert refusal(agent.put(path, body))[0] == 413
    assert list((market.data_dir / "artifacts" / "arriving").iterdir()) == []


def test_a_stream_of_unknown_length_is_kept(market: Market, agent: Person) -> None:
    _, path = held(market, agent)
    assert said(agent.put(path, iter([CONTENT[:7], CONTENT[7:]])))["sha256"] == SHA256


def test_a_body_that_ends_early_is_not_kept(market: Market, agent: Person) -> None:
    job_id, path = held(market, agent)
    host, port = market.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {agent.key}\r\nContent-Length: 100"
        connection.sendall(f"{head}\r\n\r\nhalf".encode())
        eventually(lambda: market.consumer.status(job_id) == "uploading")
    arriving = market.data_dir / "artifacts" / "arriving"
    eventually(lambda: not list(arriving.iterdir()))
    assert refusal(market.consumer.get(path))[0] == 404


def test_an_input_that_is_not_the_announced_one_is_refused(market: Market) -> None:
    job_id = market.consumer.submit(awaits_input=True, input_sha256=SHA256)
    path = f"/api/jobs/{job_id}/input"
    assert refusal(market.consumer.put(path, b"other"))[0] == 422
    other = {"X-Content-SHA256": "0" * 64}
    assert refusal(market.consumer.put(path, CONTENT, headers=other))[0] == 422
    assert market.consumer.status(job_id) == "pending"
    said(market.consumer.put(path, CONTENT))
    assert market.consumer.status(job_id) == "available"


def test_an_input_comes_once(market: Market, agent: Person) -> None:
    job_id = market.consumer.submit(awaits_input=True)
    path = f"/api/jobs/{job_id}/input"
    first = said(market.consumer.put(path, b"one"))
    assert said(market.consumer.put(path, b"one")) == first
    assert refusal(market.consumer.put(path, b"two"))[0] == 409
    agent.lease(job_id)
    assert agent.get(path).content == b"one"


def test_a_job_that_waits_for_no_input_takes_none(market: Market) -> None:
    job_id = market.consumer.submit()
    code, detail = refusal(market.consumer.put(f"/api/jobs/{job_id}/input", b"x"))
    assert code == 409
    assert "awaits_input" in detail


def test_an_offer_names_the_input_and_its_checksum(market: Market, agent: Person) -> None:
    job_id = market.consumer.submit(awaits_input=True, input_name="table.csv")
    said(market.consumer.put(f"/api/jobs/{job_id}/input", CONTENT))
    (job,) = agent.poll()
    assert job["input_sha256"] == SHA256
    assert job["input_data_url"].startswith(f"{market.url}/api/jobs/{job_id}/input/table.csv?")
    assert "awaits_input" not in job
    assert "input_name" not in job


def test_a_token_opens_files_to_the_agent_that_accepted_and_while_it_holds(
    market: Market, clock: SetClock
) -> None:
    winner, loser = market.agent(), market.agent()
    job_id = market.consumer.submit(awaits_input=True)
    said(market.consumer.put(f"/api/jobs/{job_id}/input", b"x"))
    (won,), (lost,) = winner.poll(), loser.poll()
    fetch, fetch_lost = won["input_data_url"], lost["input_data_url"]
    assert refusal(market.nobody.get(fetch))[0] == 403
    winner.lease(job_id)
    assert market.nobody.get(fetch).content == b"x"
    assert refusal(market.nobody.get(fetch_lost))[0] == 403
    assert refusal(market.nobody.put(lost["output_upload_url"], b"y"))[0] == 403
    clock.advance(1000)
    assert loser.offered() == [job_id]
    said(market.nobody.put(won["output_upload_url"], b"late"))
    loser.lease(job_id)
    assert refusal(market.nobody.get(fetch))[0] == 403
    assert refusal(market.nobody.put(won["output_upload_url"], b"y"))[0] == 403


def test_a_token_is_good_for_nothing_after_the_end(market: Market, agent: Person) -> None:
    job_id = market.consumer.submit()
    (job,) = agent.poll()
    agent.lease(job_id)
    said(market.nobody.put(job["output_upload_url"], b"x"))
    said(agent.complete(job_id))
    assert refusal(market.nobody.put(job["output_upload_url"], b"y"))[0] == 403
    assert refusal(agent.put(f"/api/jobs/{job_id}/output", b"y"))[0] == 400
    assert market.consumer.get(f"/api/jobs/{job_id}/output").content == b"x"


def test_a_wrong_lease_sends_nothing(market: Market, agent: Person) -> None:
    _, path = held(market, agent)
    assert refusal(agent.put(path, b"x", headers={"X-Lease-Id": "nothing"}))[0] == 403
