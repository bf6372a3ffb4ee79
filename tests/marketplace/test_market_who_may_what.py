"""Who may what: every call there is, with every kind of key there is."""

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

from node3nb.marketplace.keys import Role

#: Who calls, given the market and the agent that holds the job; the job is the first consumer's.
CALLERS: dict[str, Callable[[Market, Person], Person]] = {
    "none": lambda market, _agent: market.nobody,
    "wrong": lambda market, _agent: market.person(str(market.consumer.key)[:-1] + "x"),
    "revoked": lambda market, _agent: market.other_consumer(revoked=True),
    "consumer": lambda market, _agent: market.consumer,
    "other consumer": lambda market, _agent: market.other_consumer(),
    "agent": lambda _market, agent: agent,
    "other agent": lambda market, _agent: market.agent(),
    "admin": lambda market, _agent: market.admin,
    "invitation": lambda market, _agent: market.bearer(Role.INVITATION),
    "monitor": lambda market, _agent: market.bearer(Role.MONITOR),
}


@dataclass(frozen=True)
class Call:
    """A call about a job that an agent holds, and who may make it."""

    method: str
    path: str
    #: Callers that are answered; those without a valid key are 401, all others 403.
    may: str
    body: object = None
    data: bytes | None = None
    #: Codes of callers that hear something else.
    but: tuple[tuple[str, int], ...] = ()

    def code(self, kind: str) -> int:
        if kind in dict(self.but):
            return dict(self.but)[kind]
        if kind in self.may.split(", ") or self.may == "all":
            return 200
        return 401 if kind in {"none", "wrong", "revoked"} else 403


ADMIN = "admin"
AGENTS = "agent, other agent"
SUBMITTERS = "consumer, other consumer, admin"
#: What is not one's own is as if it were not there.
NOT_MINE = (("other consumer", 404),)
#: Whoever may hears that this marketplace keeps files itself.
NOT_PAST = (*NOT_MINE, ("consumer", 405), ("admin", 405))
#: Whoever may hears that no such file has arrived.
NOT_ARRIVED = (*NOT_MINE, ("consumer", 409), ("admin", 409))
FILE = {"bytes": 1, "sha256": "0" * 64}

CALLS = [
    Call("POST", "/api/agents/register", "all", MACHINE),
    Call("GET", "/health", "all"),
    Call("GET", "/metrics", "admin, monitor"),
    Call("GET", "/api/status", "all"),
    Call("GET", "/api/admin/stats", ADMIN),
    Call("GET", "/api/admin/keys", ADMIN),
    Call("POST", "/api/admin/keys", ADMIN, {"role": "consumer"}),
    Call("POST", "/api/admin/keys/{key_id}/revoke", ADMIN),
    Call("POST", "/api/admin/keys/{key_id}/rotate", ADMIN),
    Call("POST", "/api/admin/jobs/create", ADMIN, {"command": ["x"]}),
    Call("GET", "/api/marketplace/agents", f"{SUBMITTERS}, {AGENTS}"),
    Call("POST", "/api/agents/heartbeat", AGENTS),
    Call("POST", "/api/jobs/available", AGENTS, BASE_QUERY),
    Call("POST", "/api/jobs/turn", AGENTS, {"wallet_address": "w"}),
    Call("POST", "/api/jobs", SUBMITTERS, {"command": ["x"]}),
    Call("GET", "/api/jobs", f"{SUBMITTERS}, {AGENTS}"),
    Call(
        "GET", "/api/jobs/{job_id}", "consumer, agent, admin", but=(*NOT_MINE, ("other agent", 404))
    ),
    Call("POST", "/api/jobs/{job_id}/cancel", "consumer, admin", but=NOT_MINE),
    Call("POST", "/api/jobs/{free_id}/accept", AGENTS, {"wallet_address": "w"}),
    Call("POST", "/api/jobs/{job_id}/complete", "agent", COMPLETION),
    Call("POST", "/api/jobs/{job_id}/fail", "agent", FAILURE),
    Call("POST", "/api/jobs/{job_id}/release", "agent", {"lease_id": "{lease}"}),
    Call("PUT", "/api/jobs/{pending_id}/input", "consumer, admin", data=b"x", but=NOT_MINE),
    Call("GET", "/api/jobs/{job_id}/input", "consumer, agent, admin", but=NOT_MINE),
    Call("GET", "/api/jobs/{job_id}/input/{name}", "consumer, agent, admin", but=NOT_MINE),
    Call("POST", "/api/jobs/{pending_id}/input", "", FILE, but=NOT_PAST),
    Call("POST", "/api/jobs/{pending_id}/input/arrived?upload={upload}", "", but=NOT_ARRIVED),
    Call("PUT", "/api/jobs/{job_id}/output", "agent", data=b"x"),
    Call("POST", "/api/jobs/{job_id}/output", "", FILE, but=(("agent", 405),)),
    Call("POST", "/api/jobs/{job_id}/output/arrived?upload={upload}", "", but=(("agent", 409),)),
    Call("GET", "/api/jobs/{job_id}/output", "consumer, admin", but=NOT_MINE),
    Call("PATCH", "/api/jobs/{job_id}/log", "agent", data=b"x"),
    Call("GET", "/api/jobs/{job_id}/log", "consumer, admin", but=NOT_MINE),
]


def name(call: Call) -> str:
    return f"{call.method} {call.path}"


@dataclass(frozen=True)
class Scene:
    """A job that an agent holds, and what else the calls are about."""

    agent: Person
    lease: str
    names: dict[str, str]


def set_up(market: Market) -> Scene:
    agent, consumer = market.agent(), market.consumer
    held = consumer.submit(awaits_input=True)
    said(consumer.put(f"/api/jobs/{held}/input", b"x"))
    lease = agent.lease(held)
    said(agent.put(f"/api/jobs/{held}/output", b"y"))
    names = {
        "job_id": held,
        "free_id": consumer.submit(),
        "pending_id": consumer.submit(awaits_input=True),
        "key_id": market.other_consumer().key_id,
        "name": "input.tar.gz",
        "upload": "00/" + 38 * "0",
    }
    return Scene(agent, lease, names)


@pytest.mark.parametrize("call", CALLS, ids=name)
def test_who_may(market: Market, call: Call) -> None:
    told, scene = {}, set_up(market)
    for kind, caller in CALLERS.items():
        told[kind] = code_for(scene, call, caller(market, scene.agent))
        if told[kind] == 200:
            scene = set_up(market)
    assert told == {kind: call.code(kind) for kind in CALLERS}


def code_for(scene: Scene, call: Call, caller: Person) -> int:
    body = {"lease_id": scene.lease} if call.path.endswith("release") else call.body
    sent = {"data": call.data} if call.data is not None else {"json": body}
    return caller.call(call.method, call.path.format(**scene.names), **sent).status_code


def test_the_table_has_every_call_there_is(market: Market) -> None:
    described = said(market.nobody.get("/openapi.json"))["paths"]
    there_are = {f"{method.upper()} {path}" for path in described for method in described[path]}
    in_the_table = {
        name(call).partition("?")[0].replace("free_id", "job_id").replace("pending_id", "job_id")
        for call in CALLS
    }
    assert in_the_table == there_are


def test_the_table_has_every_kind_of_key() -> None:
    assert {str(role) for role in Role} <= set(CALLERS)


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
