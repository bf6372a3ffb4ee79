"""Keys: made, listed, rotated, revoked at once and everywhere; who may register."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from marketplace.market_parts import (
    MACHINE,
    Market,
    SetClock,
    eventually,
    in_progress,
    refusal,
    said,
    waiting,
)

from node3nb.marketplace.keys import Role
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Registration, Settings

DATABASES = ("sqlite", "postgresql")


def listed(market: Market, **query: object) -> list[dict[str, object]]:
    return list(said(market.admin.get("/api/admin/keys", params=query))["keys"])


def test_a_new_key_works_and_is_shown_once(market: Market) -> None:
    made = said(market.admin.post("/api/admin/keys", {"role": "consumer", "label": "Ada"}))
    job_id = market.person(made["api_key"]).submit()
    assert market.person(made["api_key"]).status(job_id) == "available"
    (kept,) = [key for key in listed(market) if key["key_id"] == made["key_id"]]
    assert (kept["label"], kept["role"], kept["owner"]) == ("Ada", "consumer", made["owner"])
    assert made["api_key"] not in market.admin.get("/api/admin/keys?limit=1000").text
    assert made["api_key"].split("_")[3] not in market.admin.get("/api/admin/keys").text


def test_a_consumer_may_have_several_keys(market: Market) -> None:
    one = market.other_consumer()
    owner = next(key["owner"] for key in listed(market) if key["key_id"] == one.key_id)
    other = market.bearer(Role.CONSUMER, owner=owner)
    assert other.status(one.submit()) == "available"
    asked = {"role": "consumer", "owner": "nobody"}
    assert refusal(market.admin.post("/api/admin/keys", asked))[0] == 422


@pytest.mark.parametrize(
    "asked",
    [
        {"role": "agent"},
        {"role": "emperor"},
        {"role": "monitor", "owner": "admin"},
        {"role": "admin", "uses": 1},
        {"role": "invitation", "uses": 0},
        {"role": "consumer", "lives_s": -1},
    ],
)
def test_what_is_no_key_is_not_made(market: Market, asked: dict[str, object]) -> None:
    before = len(listed(market, limit=1000))
    assert refusal(market.admin.post("/api/admin/keys", asked))[0] == 422
    assert len(listed(market, limit=1000)) == before


def test_keys_are_listed_page_by_page_and_by_kind(market: Market) -> None:
    made = [market.bearer(Role.MONITOR).key_id for _ in range(5)]
    seen: list[object] = []
    cursor = None
    while len(seen) < 5:
        query = {"role": "monitor", "limit": 2, "cursor": cursor}
        page = said(market.admin.get("/api/admin/keys", params=query))
        seen += [key["key_id"] for key in page["keys"]]
        cursor = page["cursor"]
    assert set(made) <= set(seen)
    assert len(seen) == len(set(seen))


def test_a_rotated_key_speaks_for_the_same_owner_and_the_old_one_for_nobody(market: Market) -> None:
    consumer = market.other_consumer()
    job_id = consumer.submit()
    fresh = said(market.admin.post(f"/api/admin/keys/{consumer.key_id}/rotate"))
    assert market.person(fresh["api_key"]).status(job_id) == "available"
    assert consumer.get("/api/jobs").status_code == 401
    assert refusal(market.admin.post(f"/api/admin/keys/{consumer.key_id}/rotate"))[0] == 409


def test_the_call_that_rotates_its_own_key_is_answered(market: Market) -> None:
    admin = market.bearer(Role.ADMIN)
    fresh = said(admin.post(f"/api/admin/keys/{admin.key_id}/rotate"))
    assert admin.get("/api/admin/stats").status_code == 401
    said(market.person(fresh["api_key"]).get("/api/admin/stats"))


def test_the_last_administrator_keeps_the_key(market: Market) -> None:
    admins = [key for key in listed(market, role="admin", limit=1000) if not key["revoked_at"]]
    own = str(market.admin.key).split("_")[2]
    for key in admins:
        if key["key_id"] != own:
            said(market.admin.post(f"/api/admin/keys/{key['key_id']}/revoke"))
    code, told = refusal(market.admin.post(f"/api/admin/keys/{own}/revoke"))
    assert code == 409
    assert "last" in told
    said(market.admin.get("/api/admin/stats"))


def test_revoking_is_done_once_and_an_unknown_key_is_told(market: Market) -> None:
    key_id = market.other_consumer().key_id
    first = said(market.admin.post(f"/api/admin/keys/{key_id}/revoke"))
    assert said(market.admin.post(f"/api/admin/keys/{key_id}/revoke")) == first
    assert refusal(market.admin.post("/api/admin/keys/0000000000000000/revoke"))[0] == 404


def test_a_key_ends_by_itself(market: Market, clock: SetClock) -> None:
    consumer = market.bearer(Role.CONSUMER, lives_s=60.0)
    said(consumer.get("/api/jobs"))
    clock.advance(61)
    eventually(lambda: consumer.get("/api/jobs").status_code == 401)


def test_an_agent_without_a_key_holds_nothing(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    (offer,) = [job for job in agent.poll() if job["job_id"] == job_id]
    agent.lease(job_id)
    said(market.admin.post(f"/api/admin/keys/{str(agent.key).split('_')[2]}/revoke"))
    assert market.consumer.status(job_id) == "available"
    assert agent.put(offer["output_upload_url"], b"x").status_code == 403
    assert agent.complete(job_id).status_code == 401


def test_a_poll_that_waits_ends_with_its_key(market: Market) -> None:
    agent, told = market.agent(), []
    thread = waiting(agent, told)
    eventually(lambda: in_progress(market) == 2)
    said(market.admin.post(f"/api/admin/keys/{str(agent.key).split('_')[2]}/revoke"))
    thread.join(30)
    assert told == [401]


def registered(market: Market, key: str | None = None) -> int:
    return market.person(key).post("/api/agents/register", MACHINE).status_code


@pytest.fixture
def invited(settings: Settings) -> Iterator[Market]:
    """A marketplace whose agents are invited."""
    with running(replace(settings, registration=Registration.INVITED)) as url:
        market = Market(url, settings.data_dir, settings.database_url)
        yield market
        market.close()


def test_an_invitation_is_for_so_many_agents(invited: Market) -> None:
    assert registered(invited) == 401
    assert registered(invited, invited.consumer.key) == 403
    invitation = invited.bearer(Role.INVITATION, uses=2)
    assert [registered(invited, invitation.key) for _ in range(3)] == [200, 200, 401]
    assert registered(invited, invited.admin.key) == 200
    gone = invited.bearer(Role.INVITATION)
    said(invited.admin.post(f"/api/admin/keys/{gone.key_id}/revoke"))
    assert registered(invited, gone.key) == 401


def test_a_closed_marketplace_takes_nobody(settings: Settings) -> None:
    with running(replace(settings, registration=Registration.CLOSED)) as url:
        market = Market(url, settings.data_dir, settings.database_url)
        assert [registered(market), registered(market, market.admin.key)] == [403, 403]
        market.close()


def test_one_address_registers_so_many_agents_a_day(settings: Settings) -> None:
    clock = SetClock()
    with running(replace(settings, agents_per_address=2), clock) as url:
        market = Market(url, settings.data_dir, settings.database_url)
        assert [registered(market) for _ in range(2)] == [200, 200]
        answer = market.nobody.post("/api/agents/register", MACHINE)
        assert refusal(answer)[0] == 429
        assert answer.headers["Retry-After"] == "86400"
        clock.advance(86_401)
        assert registered(market) == 200
        market.close()
