"""Inputs and outputs: whole, verified, resumable, and only for whom they are."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from marketplace.conftest import small
from marketplace.market_parts import Market, Person, SetClock, eventually, refusal, said

from node3nb.marketplace.artifacts.places import open_store
from node3nb.marketplace.artifacts.store import Store
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings

CONTENT = os.urandom(3 << 20)
#: The bound that conftest.py sets.
MAX_BYTES = 4 << 20
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(
    scope="module", params=["sqlite directory", "postgresql directory", "sqlite bucket"]
)
def places(request: pytest.FixtureRequest) -> list[str]:
    """Where the marketplace keeps rows and files; the bucket is in a real S3 store."""
    return str(request.param).split()


@pytest.fixture(scope="module")
def kind_of_database(places: list[str]) -> str:
    return places[0]


@pytest.fixture(scope="module")
def settings_here(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    places: list[str],
    fresh_database: Callable[[], str],
) -> Settings:
    """Settings of a marketplace that keeps them there."""
    plain = small(tmp_path_factory.mktemp("market"), fresh_database())
    if places[1] == "directory":
        return plain
    store = request.getfixturevalue("s3")
    return replace(plain, artifacts_url=f"s3://{store.bucket}/{secrets.token_hex(4)}")


@pytest.fixture(scope="module")
def module_market(settings_here: Settings, clock: SetClock) -> Iterator[Market]:
    """A marketplace of this module's own; all tests below hold for both places."""
    with running(settings_here, clock) as url:
        market = Market(url, settings_here.data_dir, settings_here.database_url)
        yield market
        market.close()


@pytest.fixture
def store(settings_here: Settings, market: Market) -> Store:
    """Where the marketplace keeps files, as it sees it."""
    secret = json.loads((market.data_dir / "keys.json").read_text())["url_secret"]
    return open_store(settings_here, secret)


@pytest.fixture
def agent(market: Market) -> Person:
    return market.agent()


def kept(store: Store) -> set[str]:
    """Return the names of all files that are there, also in part."""

    async def names() -> set[str]:
        return {name async for page in store.names() for name in page}

    return asyncio.run(names())


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
    first = got.history[0] if got.history else got
    assert first.headers["X-Content-SHA256"] == SHA256


def test_a_broken_download_is_resumed(market: Market, agent: Person) -> None:
    _, path = held(market, agent)
    said(agent.put(path, CONTENT))
    tag = market.consumer.get(path).headers["ETag"]
    asked = {"Range": "bytes=1000000-", "If-Range": tag}
    rest = market.consumer.get(path, headers=asked)
    assert (rest.status_code, rest.content) == (206, CONTENT[1_000_000:])


def test_a_download_of_a_changed_file_is_known_by_its_tag(market: Market, agent: Person) -> None:
    _, path = held(market, agent)
    said(agent.put(path, CONTENT))
    tag = market.consumer.get(path).headers["ETag"]
    said(agent.put(path, b"other"))
    asked = {"Range": "bytes=2-", "If-Range": tag}
    answer = market.consumer.get(path, headers=asked)
    assert answer.headers["ETag"] != tag
    if not answer.history:  # SeaweedFS does not know If-Range; clients compare the tag
        assert (answer.status_code, answer.content) == (200, b"other")


def test_outputs_sent_again_replace_the_earlier_ones(
    market: Market, agent: Person, store: Store
) -> None:
    _, path = held(market, agent)
    before = kept(store)
    for content in (b"one", b"one", b"two"):
        said(agent.put(path, content))
        assert market.consumer.get(path).content == content
    assert len(kept(store) - before) == 1


def test_a_wrong_checksum_is_refused_and_nothing_kept(
    market: Market, agent: Person, store: Store
) -> None:
    _, path = held(market, agent)
    before = kept(store)
    answer = agent.put(path, CONTENT, headers={"X-Content-SHA256": "0" * 64})
    assert refusal(answer)[0] == 422
    assert refusal(market.consumer.get(path))[0] == 404
    assert kept(store) == before


def test_a_malformed_checksum_is_refused(market: Market, agent: Person) -> None:
    _, path = held(market, agent)
    code, detail = refusal(agent.put(path, b"x", headers={"X-Content-SHA256": "abc"}))
    assert code == 422
    assert detail.startswith("X-Content-SHA256: ")


@pytest.mark.parametrize("announced", [True, False])
def test_too_large_a_file_is_refused(
    market: Market, agent: Person, store: Store, *, announced: bool
) -> None:
    _, path = held(market, agent)
    before = kept(store)
    content = bytes(MAX_BYTES + 1)
    body = content if announced else iter([content])
    assert refusal(agent.put(path, body))[0] == 413
    assert kept(store) == before


def test_a_stream_of_unknown_length_is_kept(market: Market, agent: Person) -> None:
    _, path = held(market, agent)
    assert said(agent.put(path, iter([CONTENT[:7], CONTENT[7:]])))["sha256"] == SHA256


def test_a_body_that_ends_early_is_not_kept(market: Market, agent: Person, store: Store) -> None:
    job_id, path = held(market, agent)
    before = kept(store)
    host, port = market.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {agent.key}\r\nContent-Length: 100"
        connection.sendall(f"{head}\r\n\r\nhalf".encode())
        eventually(lambda: market.consumer.status(job_id) == "uploading")
    eventually(lambda: kept(store) == before)
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


def held_with_input(market: Market, agent: Person) -> tuple[str, dict[str, str]]:
    """Return a job with an input that the agent holds, and the header of its lease."""
    job_id = market.consumer.submit(awaits_input=True)
    said(market.consumer.put(f"/api/jobs/{job_id}/input", b"INPUT"))
    return job_id, {"X-Lease-Id": agent.lease(job_id)}


def test_outputs_equal_to_the_input_do_not_take_it_away(market: Market, store: Store) -> None:
    before, agent, other = kept(store), market.agent(), market.agent()
    job_id, lease = held_with_input(market, agent)
    for outputs in (b"INPUT", b"something else"):
        said(agent.put(f"/api/jobs/{job_id}/output", outputs, headers=lease))
    said(agent.post(f"/api/jobs/{job_id}/release", {"lease_id": lease["X-Lease-Id"]}))
    other.lease(job_id)
    answer = other.get(f"/api/jobs/{job_id}/input")
    assert (answer.status_code, answer.content) == (200, b"INPUT")
    assert len(kept(store) - before) == 2


def test_outputs_that_are_replaced_and_sent_again_are_there(market: Market, store: Store) -> None:
    before, agent = kept(store), market.agent()
    job_id, lease = held_with_input(market, agent)
    for outputs in (b"one", b"two", b"one"):
        said(agent.put(f"/api/jobs/{job_id}/output", outputs, headers=lease))
    assert market.consumer.get(f"/api/jobs/{job_id}/output").content == b"one"
    assert len(kept(store) - before) == 2


def test_a_refused_input_leaves_nothing_behind(market: Market, store: Store) -> None:
    before = kept(store)
    job_id = market.consumer.submit()
    answer = market.consumer.put(f"/api/jobs/{job_id}/input", b"z" * 1000)
    assert refusal(answer)[0] == 409
    assert kept(store) == before
    job_id = market.consumer.submit(awaits_input=True)
    said(market.consumer.put(f"/api/jobs/{job_id}/input", b"first"))
    assert refusal(market.consumer.put(f"/api/jobs/{job_id}/input", b"second"))[0] == 409
    assert market.consumer.get(f"/api/jobs/{job_id}/input").content == b"first"
    assert len(kept(store) - before) == 1
