"""Who may what: every call, with every kind of key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from marketplace.market_parts import (
    BASE_QUERY,
    COMPLETION,
    FAILURE,
    MACHINE,
    Market,
    Person,
    said,
)


@dataclass(frozen=True)
class Call:
    """A call about a job that an agent holds, and the code for each kind of caller."""

    name: str
    method: str
    path: str
    none: int
    wrong: int
    consumer: int
    other_consumer: int
    agent: int
    other_agent: int
    admin: int
    body: object = None
    data: bytes | None = None


def public(name: str, method: str, path: str, body: object = None) -> Call:
    return Call(name, method, path, 200, 200, 200, 200, 200, 200, 200, body)


CALLS = [
    public("register", "POST", "/api/agents/register", MACHINE),
    public("health", "GET", "/health"),
    public("status", "GET", "/api/status"),
    Call("stats", "GET", "/api/admin/stats", 401, 401, 403, 403, 403, 403, 200),
    Call(
        "create",
        "POST",
        "/api/admin/jobs/create",
        *(401, 401, 403, 403, 403, 403, 200),
        {"command": ["x"]},
    ),
    Call("agents", "GET", "/api/marketplace/agents", 401, 401, 200, 200, 200, 200, 200),
    Call("heartbeat", "POST", "/api/agents/heartbeat", 401, 401, 403, 403, 200, 200, 403),
    Call(
        "available",
        "POST",
        "/api/jobs/available",
        *(401, 401, 403, 403, 200, 200, 403),
        BASE_QUERY,
    ),
    Call("submit", "POST", "/api/jobs", 401, 401, 200, 200, 403, 403, 200, {"command": ["x"]}),
    Call("list", "GET", "/api/jobs", 401, 401, 200, 200, 200, 200, 200),
    Call("view", "GET", "/api/jobs/{held}", 401, 401, 200, 404, 200, 404, 200),
    Call("cancel", "POST", "/api/jobs/{held}/cancel", 401, 401, 200, 404, 403, 403, 200),
    Call(
        "accept",
        "POST",
        "/api/jobs/{free}/accept",
        *(401, 401, 403, 403, 200, 200, 403),
        {"wallet_address": "w"},
    ),
    Call(
        "complete",
        "POST",
        "/api/jobs/{held}/complete",
        *(401, 401, 403, 403, 200, 403, 403),
        COMPLETION,
    ),
    Call("fail", "POST", "/api/jobs/{held}/fail", 401, 401, 403, 403, 200, 403, 403, FAILURE),
    Call(
        "release",
        "POST",
        "/api/jobs/{held}/release",
        *(401, 401, 403, 403, 200, 403, 403),
        {"lease_id": "{lease}"},
    ),
    Call(
        "put input",
        "PUT",
        "/api/jobs/{pending}/input",
        401,
        401,
        200,
        404,
        403,
        403,
        200,
        data=b"x",
    ),
    Call("get input", "GET", "/api/jobs/{held}/input", 401, 401, 200, 404, 200, 403, 200),
    Call(
        "put output", "PUT", "/api/jobs/{held}/output", 401, 401, 403, 403, 200, 403, 403, data=b"x"
    ),
    Call("get output", "GET", "/api/jobs/{held}/output", 401, 401, 200, 404, 403, 403, 200),
    Call(
        "patch log", "PATCH", "/api/jobs/{held}/log", 401, 401, 403, 403, 200, 403, 403, data=b"x"
    ),
    Call("get log", "GET", "/api/jobs/{held}/log", 401, 401, 200, 404, 403, 403, 200),
]

#: Who calls, given the market and the agent that holds the job.
CALLERS: dict[str, Callable[[Market, Person], Person]] = {
    "none": lambda market, _agent: market.nobody,
    "wrong": lambda market, _agent: market.person(str(market.consumer.key)[:-1] + "x"),
    "consumer": lambda market, _agent: market.consumer,
    "other_consumer": lambda market, _agent: market.other_consumer(),
    "agent": lambda _market, agent: agent,
    "other_agent": lambda market, _agent: market.agent(),
    "admin": lambda market, _agent: market.admin,
}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_who_may(market: Market, call: Call) -> None:
    told = {kind: code_for(market, call, caller) for kind, caller in CALLERS.items()}
    assert told == {kind: getattr(call, kind) for kind in CALLERS}


def code_for(market: Market, call: Call, caller: Callable[[Market, Person], Person]) -> int:
    agent, consumer = market.agent(), market.consumer
    held = consumer.submit(awaits_input=True)
    said(consumer.put(f"/api/jobs/{held}/input", b"x"))
    lease = agent.lease(held)
    said(agent.put(f"/api/jobs/{held}/output", b"y"))
    names = {
        "{held}": held,
        "{free}": consumer.submit(),
        "{pending}": consumer.submit(awaits_input=True),
    }
    path = call.path
    for name, job_id in names.items():
        path = path.replace(name, job_id)
    body = {"lease_id": lease} if call.name == "release" else call.body
    sent = {"data": call.data} if call.data is not None else {"json": body}
    return caller(market, agent).call(call.method, path, **sent).status_code


def test_a_revoked_key_is_no_key(market: Market) -> None:
    assert market.other_consumer().get("/api/jobs").status_code == 200
    assert market.other_consumer(revoked=True).get("/api/jobs").status_code == 401


@pytest.mark.parametrize("key", ["", "x", "n3_admin_0_0", "a_b_c_d", "\xff", "n3_admin__"])
def test_what_is_no_key_is_401(market: Market, key: str) -> None:
    assert market.person(key).get("/api/jobs").status_code == 401


def test_everybody_lists_what_is_theirs(market: Market) -> None:
    one, other, agent = market.other_consumer(), market.other_consumer(), market.agent()
    mine, theirs = one.submit(), other.submit()
    agent.lease(theirs)

    def listed(person: Person) -> set[str]:
        return {job["job_id"] for job in said(person.get("/api/jobs"))["jobs"]}

    assert listed(one) == {mine}
    assert listed(other) == {theirs}
    assert listed(agent) == {theirs}
    assert listed(market.agent()) == set()
    assert listed(market.admin) >= {mine, theirs}
