"""How the server treats its callers: problems, rates, health, measures."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests
from marketplace.market_parts import CALL_S, Market, eventually, refusal, said
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from node3nb.marketplace.keys import Role
from node3nb.marketplace.manners import turnstile
from node3nb.marketplace.manners.keyring import Keyring
from node3nb.marketplace.manners.rates import Rates, place
from node3nb.marketplace.manners.turnstile import Turnstile
from node3nb.marketplace.refusals import TooMany
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings


@pytest.fixture
def strict(settings: Settings) -> Iterator[Market]:
    """A marketplace that takes few calls."""
    few = replace(settings, calls_per_s=0.001, keyless_calls_per_s=1000.0, calls_at_once=2)
    with running(few) as url:
        market = Market(url, settings.data_dir, settings.database_url)
        yield market
        market.close()


@pytest.mark.parametrize(
    ("call", "sent", "status", "kind"),
    [
        (("GET", "/api/jobs"), {}, 401, "urn:node3nb:problem:key-missing"),
        (("GET", "/nothing"), {}, 404, "about:blank"),
        (("DELETE", "/api/jobs"), {}, 405, "about:blank"),
        (("POST", "/api/agents/register"), {"json": {}}, 422, "about:blank"),
        (("POST", "/api/agents/register"), {"data": "{"}, 400, "about:blank"),
        (("GET", "/api/jobs?cursor=" + "x" * 5000), {}, 414, "urn:node3nb:problem:query-too-long"),
        (("GET", "/health"), {"headers": {"X-Much": "x" * 20_000}}, 431, None),
        (("POST", "/api/jobs"), {"data": b"x" * (3 << 20)}, 413, "urn:node3nb:problem:too-large"),
    ],
)
def test_a_refusal_is_a_problem(
    market: Market, call: tuple[str, str], sent: dict[str, object], status: int, kind: str | None
) -> None:
    answer = market.nobody.call(*call, **sent)
    told = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.status_code, told["status"]) == (status, status)
    assert told["type"] == (kind or "urn:node3nb:problem:head-too-large")
    assert told["title"]
    assert told["detail"].endswith(".")


def test_a_refusal_keeps_its_facts(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    agent.lease(job_id)
    answer = agent.call("PATCH", f"/api/jobs/{job_id}/log?offset=7", data=b"x")
    assert (answer.status_code, answer.json()["offset"]) == (409, 0)


def test_every_call_has_a_name(market: Market) -> None:
    mine = market.nobody.get("/health", headers={"X-Request-Id": "my-call.1"})
    assert mine.headers["X-Request-Id"] == "my-call.1"
    odd = market.nobody.get("/health", headers={"X-Request-Id": "<script>"})
    assert odd.headers["X-Request-Id"] != "<script>"
    assert len({market.nobody.get("/health").headers["X-Request-Id"] for _ in range(3)}) == 3


def test_more_calls_than_a_key_may_make_wait(strict: Market) -> None:
    one, other = strict.consumer, strict.admin
    assert one.get("/api/jobs").status_code == 200
    answer = one.get("/api/jobs")
    code, told = refusal(answer)
    assert code == 429
    assert int(answer.headers["Retry-After"]) > 1
    assert "wait" in told
    assert other.get("/api/jobs").status_code == 200
    assert strict.nobody.get("/health").status_code == 200


def test_wrong_keys_are_counted_by_address(settings: Settings) -> None:
    with running(settings) as url:
        market = Market(url, settings.data_dir, settings.database_url)
        said(market.consumer.get("/api/jobs"))
        wrong = market.person("n3_consumer_0000000000000000_wrong")
        codes = [wrong.get("/api/jobs").status_code for _ in range(700)]
        assert codes[0] == 401
        assert 429 in codes
        market.close()


def test_wrong_keys_that_come_at_once_are_not_all_looked_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turnstile, "WRONG_PER_S", 1e-9)
    monkeypatch.setattr(turnstile, "WRONG_BURST", 10.0)
    looked_up: list[str] = []

    async def look_up(key: str) -> None:
        looked_up.append(key)
        await asyncio.sleep(0)

    async def come() -> list[object]:
        settings.data_dir.mkdir()
        entry = Turnstile(settings, Keyring(settings.data_dir, look_up))
        callers = (entry.caller(f"wrong{number}", "192.0.2.1") for number in range(100))
        return await asyncio.gather(*callers, return_exceptions=True)

    told = asyncio.run(come())
    assert len(looked_up) < 20
    assert sum(isinstance(each, TooMany) for each in told) == 100 - len(looked_up)


def test_the_limiter_forgets_whoever_has_not_called_for_longest() -> None:
    rates = Rates(1.0, 1.0, remembered=2, clock=lambda: 0.0)
    for who in ("busy", "once", "busy", "other"):
        rates.take(who)
    assert rates.take("busy") > 0
    assert rates.take("once") == 0


def test_the_limiter_remembers_a_bounded_number() -> None:
    now = [0.0]
    rates = Rates(1.0, 2.0, remembered=100, clock=lambda: now[0])
    assert [rates.take("me") for _ in range(3)] == [0.0, 0.0, 1.0]
    now[0] += 0.5
    assert rates.take("me") == 0.5
    now[0] += 0.5
    assert rates.take("me") == 0.0
    for number in range(1000):
        rates.take(str(number))
    assert len(rates) == 100


@pytest.mark.parametrize(
    ("host", "counts_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "local"),
    ],
)
def test_an_address_counts_as_its_network(host: str, counts_as: str) -> None:
    assert place(host) == counts_as


def test_health_asks_the_database(settings: Settings) -> None:
    with running(settings) as url:
        assert requests.get(f"{url}/health", timeout=CALL_S).json()["status"] == "healthy"
        path = settings.database_url.removeprefix("sqlite:///")
        other = sqlite3.connect(path, isolation_level=None, timeout=CALL_S)
        other.execute("BEGIN IMMEDIATE")
        eventually(lambda: requests.get(f"{url}/health", timeout=CALL_S).status_code == 503)
        sick = requests.get(f"{url}/health", timeout=CALL_S)
        assert sick.json()["type"] == "urn:node3nb:problem:unavailable"
        assert sick.headers["Retry-After"]
        other.execute("ROLLBACK")
        other.close()
        eventually(lambda: requests.get(f"{url}/health", timeout=CALL_S).status_code == 200)


def test_measures_are_open_metrics_without_names(market: Market) -> None:
    job_id = market.consumer.submit()
    market.consumer.job(job_id)
    monitor = market.bearer(Role.MONITOR)
    text = market.nobody.get("/metrics", headers={"Authorization": f"Bearer {monitor.key}"})
    assert text.headers["Content-Type"].startswith("application/openmetrics-text")
    families = {family.name: family for family in text_string_to_metric_families(text.text)}
    calls = families["node3nb_requests"].samples
    routes = {sample.labels["route"] for sample in calls if sample.name.endswith("_total")}
    assert "/api/jobs/{job_id}" in routes
    assert families["node3nb_jobs"].samples
    assert families["node3nb_request_duration_seconds"].samples
    assert families["node3nb_disk_free_bytes"].samples[0].value > 0
    assert families["process_open_fds"].samples[0].value > 0
    for word in (job_id, str(monitor.key), str(market.consumer.key)):
        assert word not in text.text


def test_strangers_make_no_new_measures(market: Market) -> None:
    before = len(market.admin.get("/metrics").text.splitlines())
    for number in range(50):
        market.nobody.get(f"/nothing/{number}")
        market.nobody.call(f"ODD{number}", "/health")
    after = market.admin.get("/metrics").text
    assert "ODD" not in after
    assert len(after.splitlines()) < before + 100
