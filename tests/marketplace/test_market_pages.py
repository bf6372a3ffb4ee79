"""Lists page by page, and states that are sent once."""

from __future__ import annotations

import pytest
from marketplace.market_parts import CALL_S, Market, refusal, said
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from node3nb.marketplace.client import consumer as consumers
from node3nb.marketplace.client.client import MarketplaceClient


def test_a_state_that_has_not_changed_is_not_sent_again(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    path = f"/api/jobs/{job_id}"
    first = market.consumer.get(path)
    etag = first.headers["ETag"]
    for named in (etag, f'"x", W/{etag}', "*"):
        again = market.consumer.get(path, headers={"If-None-Match": named})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    agent.lease(job_id)
    changed = market.consumer.get(path, headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json()["status"]) == (200, "accepted")
    stranger = market.other_consumer().get(path, headers={"If-None-Match": etag})
    assert stranger.status_code == 404


def answered_304(market: Market) -> float:
    text = market.admin.get("/metrics").text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "node3nb_requests_total" and sample.labels["status"] == "304"
    )


def test_whoever_waits_for_a_job_asks_for_news_only(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    client = MarketplaceClient(market.url, str(market.consumer.key))
    before, looks = answered_304(market), []

    def tell(view: object) -> None:
        looks.append(view)
        if len(looks) == 3:
            agent.lease(job_id)
            said(agent.complete(job_id))

    view = consumers.wait(client, job_id, CALL_S, tell=tell)
    assert view.status == "completed"
    assert answered_304(market) == before + 2


@pytest.mark.parametrize("path", ["/api/jobs", "/api/marketplace/agents", "/api/admin/keys"])
def test_a_cursor_is_good_for_its_list_alone(market: Market, path: str) -> None:
    for _ in range(3):
        market.consumer.submit()
        market.agent()
        market.other_consumer()
    cursor = said(market.admin.get(path, params={"limit": 1}))["cursor"]
    said(market.admin.get(path, params={"limit": 1, "cursor": cursor}))
    changed = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    for bad in (changed, cursor + "A", cursor[:-2], "x", "A" * 40):
        code, told = refusal(market.admin.get(path, params={"cursor": bad}))
        assert code == 422
        assert told.startswith("cursor")
    others = {"/api/jobs", "/api/marketplace/agents", "/api/admin/keys"} - {path}
    for other in others:
        assert market.admin.get(other, params={"cursor": cursor}).status_code == 422


def test_a_cursor_is_good_for_its_filter_alone(market: Market) -> None:
    for _ in range(2):
        market.consumer.submit()
    cursor = said(market.consumer.get("/api/jobs", params={"limit": 1}))["cursor"]
    query = {"cursor": cursor, "status": "available"}
    assert market.consumer.get("/api/jobs", params=query).status_code == 422


def test_agents_are_listed_page_by_page(market: Market) -> None:
    made = {market.agent().agent_id for _ in range(5)}
    seen, cursor = [], None
    while cursor or not seen:
        query = {"limit": 2, "cursor": cursor}
        page = said(market.consumer.get("/api/marketplace/agents", params=query))
        seen += [agent["agent_id"] for agent in page["agents"]]
        cursor = page["cursor"]
    assert made <= set(seen)
    assert len(seen) == len(set(seen))
