"""Files that go past the marketplace, to and from a real S3 store: SeaweedFS.

It checks signatures, their expiry, the length and the SHA-256 that are bound into them.  Only
the store that does not check content is a pretended one: a server in front of the real one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from marketplace.conftest import small
from marketplace.market_parts import Market, Person, SetClock, refusal, said
from support import relay
from support.seaweed import Seaweed, careless
from support.transfer_data import QUICK

from node3nb.marketplace.artifacts.signing import Signer
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings
from node3nb.transfers.transfer import Transfer, UploadRefused
from node3nb.transfers.url_policy import UrlPolicy

CONTENT = os.urandom(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ASKED = {"bytes": len(CONTENT), "sha256": SHA256}


@pytest.fixture(scope="module")
def module_market(
    s3: Seaweed,
    tmp_path_factory: pytest.TempPathFactory,
    fresh_database: Callable[[], str],
    clock: SetClock,
) -> Iterator[Market]:
    settings = in_bucket(small(tmp_path_factory.mktemp("market"), fresh_database()), s3)
    with running(settings, clock) as url:
        market = Market(url, settings.data_dir, settings.database_url)
        yield market
        market.close()


def in_bucket(settings: Settings, s3: Seaweed) -> Settings:
    return replace(settings, artifacts_url=f"s3://{s3.bucket}/{secrets.token_hex(4)}")


def transfer(market: Market) -> Transfer:
    return Transfer(UrlPolicy(market.url), retries=QUICK)


def offered(market: Market, agent: Person) -> tuple[str, str]:
    """Return a job that the agent holds, and where it was told to send the outputs."""
    job_id = market.consumer.submit()
    (job,) = agent.poll()
    agent.lease(job_id)
    return job_id, job["output_upload_url"]


def permitted(market: Market, agent: Person) -> tuple[str, dict[str, str], str, str]:
    """Return where outputs may be sent, with which headers, and what to call then."""
    _, url = offered(market, agent)
    permit = said(market.nobody.post(url, ASKED))
    arrived = url.replace("/output?", "/output/arrived?") + f"&upload={permit['upload']}"
    return permit["upload_url"], permit["headers"], arrived, permit["upload"]


def test_outputs_and_inputs_go_past_the_server(
    market: Market, s3: Seaweed, tmp_path: Path, never: threading.Event
) -> None:
    agent = market.agent()
    sent, came = tmp_path / "sent.tar.gz", tmp_path / "came.tar.gz"
    sent.write_bytes(CONTENT)
    before = s3.objects()
    client = MarketplaceClient(market.url, market.consumer.key or "")
    job_id = market.consumer.submit(awaits_input=True)
    with relay.running(market.url) as proxied:
        MarketplaceClient(proxied.url, market.consumer.key or "").put_input(job_id, sent)
        (job,) = agent.poll()
        agent.lease(job_id)
        fetched = Transfer(UrlPolicy(proxied.url), retries=QUICK).fetch(
            job["input_data_url"].replace(market.url, proxied.url),
            tmp_path,
            sha256=job["input_sha256"],
            cancelled=never,
        )
        assert fetched.read_bytes() == CONTENT
        url = job["output_upload_url"].replace(market.url, proxied.url)
        Transfer(UrlPolicy(proxied.url), retries=QUICK).send(sent, url, cancelled=never)
        said(agent.complete(job_id))
        MarketplaceClient(proxied.url, market.consumer.key or "").get_output(job_id, came)
        assert came.read_bytes() == CONTENT
        assert proxied.bytes < len(CONTENT) / 4
    added = {key: size for key, size in s3.objects().items() if key not in before}
    assert list(added.values()) == [len(CONTENT)] * 2
    client.hang_up()


def test_a_permit_is_for_these_bytes_only(market: Market) -> None:
    url, headers, arrived, _ = permitted(market, market.agent())
    other = os.urandom(len(CONTENT))
    wrong = [
        requests.put(url, data=other, headers=headers, timeout=30),
        requests.put(url, data=CONTENT + b"x", headers=headers, timeout=30),
        requests.put(url, data=CONTENT, timeout=30),
        requests.put(
            url.replace("X-Amz-Expires=900", "X-Amz-Expires=9000"),
            data=CONTENT,
            headers=headers,
            timeout=30,
        ),
        requests.get(url, timeout=30),
        requests.delete(url, timeout=30),
    ]
    assert [answer.status_code for answer in wrong] == [400, 403, 403, 403, 403, 403]
    assert refusal(market.nobody.post(arrived))[0] == 409
    assert requests.put(url, data=CONTENT, headers=headers, timeout=30).ok
    assert said(market.nobody.post(arrived))["sha256"] == SHA256


def test_a_permit_runs_out(s3: Seaweed) -> None:
    signer = Signer(s3.bucket, "expiry")
    url = signer.put("aa/file", len(CONTENT), SHA256, timedelta(seconds=1))
    headers = signer.headers(SHA256)
    deadline = time.monotonic() + 30
    while (answer := requests.put(url, data=CONTENT, headers=headers, timeout=30)).ok:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert (answer.status_code, "expired" in answer.text) == (403, True)


def test_what_the_bucket_has_not_checked_is_not_kept(market: Market, s3: Seaweed) -> None:
    url, _, arrived, _ = permitted(market, market.agent())
    key = url.partition("?")[0].partition(f"/{s3.bucket}/")[2]
    for content in (CONTENT, os.urandom(len(CONTENT)), b""):
        s3.client().put_object(Bucket=s3.bucket, Key=key, Body=content, ChecksumAlgorithm="CRC32")
        code, detail = refusal(market.nobody.post(arrived))
        assert (code, detail.startswith("upload: ")) == (409, True)


def test_only_the_one_who_was_permitted_has_it_kept(market: Market, clock: SetClock) -> None:
    agent, other = market.agent(), market.agent()
    url, headers, arrived, upload = permitted(market, agent)
    assert requests.put(url, data=CONTENT, headers=headers, timeout=30).ok
    job_id = arrived.partition("/api/jobs/")[2].partition("/")[0]
    own = f"/api/jobs/{job_id}/output/arrived"
    assert refusal(other.post(own, params={"upload": upload}))[0] == 403
    assert refusal(market.consumer.post(own, params={"upload": upload}))[0] == 403
    assert refusal(market.nobody.post(own, params={"upload": upload}))[0] == 401
    elsewhere, _ = offered(market, other)
    mine = f"/api/jobs/{elsewhere}/output/arrived"
    assert refusal(other.post(mine, params={"upload": upload}))[0] == 409
    clock.advance(1000)
    assert job_id in other.offered()
    other.lease(job_id)
    assert refusal(market.nobody.post(arrived))[0] == 403
    assert refusal(other.post(own, params={"upload": upload}))[0] == 409


def test_a_second_permit_takes_the_place_of_the_first(market: Market) -> None:
    agent = market.agent()
    _, url = offered(market, agent)
    first, second = (said(market.nobody.post(url, ASKED)) for _ in range(2))
    assert requests.put(first["upload_url"], CONTENT, headers=first["headers"], timeout=30).ok
    arrived = url.replace("/output?", "/output/arrived?")
    assert refusal(market.nobody.post(f"{arrived}&upload={first['upload']}"))[0] == 409
    assert requests.put(second["upload_url"], CONTENT, headers=second["headers"], timeout=30).ok
    assert said(market.nobody.post(f"{arrived}&upload={second['upload']}"))["sha256"] == SHA256


@pytest.mark.parametrize("asked", [{**ASKED, "bytes": -1}, {**ASKED, "sha256": "x"}, {}])
def test_a_malformed_question_is_refused(market: Market, asked: dict[str, object]) -> None:
    _, url = offered(market, market.agent())
    assert refusal(market.nobody.post(url, asked))[0] == 422


def test_no_permit_is_given_for_too_much(market: Market) -> None:
    _, url = offered(market, market.agent())
    assert refusal(market.nobody.post(url, {**ASKED, "bytes": 1 << 40}))[0] == 413


def test_no_signed_url_is_logged(
    market: Market, tmp_path: Path, never: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sent = tmp_path / "sent"
    sent.write_bytes(CONTENT)
    job_id, url = offered(market, market.agent())
    transfer(market).send(sent, url, cancelled=never)
    MarketplaceClient(market.url, market.consumer.key or "").get_output(job_id, tmp_path / "came")
    assert "X-Amz" not in caplog.text


def test_a_strange_marketplace_leads_nobody_into_a_private_network(
    market: Market, s3: Seaweed, tmp_path: Path, never: threading.Event
) -> None:
    """The store listens on the loopback, and the marketplace is named as one that does not."""
    policy = UrlPolicy("https://market.example")
    sent = tmp_path / "sent"
    sent.write_bytes(CONTENT)
    url, *_ = permitted(market, market.agent())
    with pytest.raises(UploadRefused, match=r"private network.*NODE3_STORES"):
        Transfer(policy, retries=QUICK).send(sent, url, cancelled=never)
    trusting = replace(policy, stores=frozenset({s3.url}))
    with pytest.raises(UploadRefused, match="answered 403"):  # reached: what is signed is missing
        Transfer(trusting, retries=QUICK).send(sent, url, cancelled=never)


def test_where_the_store_may_not_be_reached_the_marketplace_gets_the_file(
    market: Market, s3: Seaweed, tmp_path: Path, never: threading.Event
) -> None:
    class Elsewhere(UrlPolicy):
        def check(self, url: str) -> object:  # type: ignore[override]
            return (
                UrlPolicy("https://market.example").check(url)
                if s3.url in url
                else super().check(url)
            )

    sent = tmp_path / "sent"
    sent.write_bytes(CONTENT)
    job_id, url = offered(market, market.agent())
    Transfer(Elsewhere(market.url), retries=QUICK).send(sent, url, cancelled=never)
    assert market.consumer.get(f"/api/jobs/{job_id}/output").content == CONTENT


def test_a_bucket_that_checks_no_content_gets_files_through_the_server(
    settings: Settings,
    s3: Seaweed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    never: threading.Event,
) -> None:
    with careless(s3) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with running(in_bucket(settings, s3)) as where:
            market = Market(where, settings.data_dir, settings.database_url)
            job_id, upload_url = offered(market, market.agent())
            assert refusal(market.nobody.post(upload_url, ASKED))[0] == 405
            sent = tmp_path / "sent"
            sent.write_bytes(CONTENT)
            transfer(market).send(sent, upload_url, cancelled=never)
            assert market.consumer.get(f"/api/jobs/{job_id}/output").content == CONTENT
            market.close()
