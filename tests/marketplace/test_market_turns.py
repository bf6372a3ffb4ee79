"""Turns: one call for what would be a call for each job, with the same answers."""

from __future__ import annotations

from typing import Any

import pytest
from marketplace.market_parts import (
    BASE_QUERY,
    BOTH,
    COMPLETION,
    FAILURE,
    Market,
    Person,
    SetClock,
    refusal,
    said,
)

from node3nb.marketplace.wire.turn_wire import MOST_OF_A_KIND

DATABASES = BOTH

#: Longer than the client of these tests has patience: nobody waits for it.
FOREVER = {**BASE_QUERY, "wait_s": 60.0, "free_slots": 2}


def turn(agent: Person, **asked: Any) -> dict[str, Any]:
    return said(agent.post("/api/jobs/turn", {"wallet_address": "0xabc", **asked}))


def leased(agent: Person, job_id: str) -> dict[str, Any]:
    """Accept a job; return the completion of it."""
    return {**COMPLETION, "lease_id": agent.lease(job_id)}


def test_one_turn_does_it_all(market: Market) -> None:
    agent, jobs = market.agent(), [market.consumer.submit(reward=2.0) for _ in range(5)]
    done, broken = leased(agent, jobs[0]), {**FAILURE, "lease_id": agent.lease(jobs[1])}
    broken["error_type"] = "exited"
    told = turn(
        agent,
        completed={jobs[0]: done},
        failed={jobs[1]: broken},
        accepted={jobs[2]: "a", jobs[3]: "b"},
        query=FOREVER,
    )
    assert told["completed"][jobs[0]]["answer"]["reward"] == 2.0
    assert told["failed"][jobs[1]]["answer"]["job_status"] == "failed"
    assert {job: each["code"] for job, each in told["accepted"].items()} == {
        jobs[2]: 200,
        jobs[3]: 200,
    }
    assert [job["job_id"] for job in told["jobs"]] == [jobs[4]]
    found = [market.consumer.status(job) for job in jobs]
    assert found == ["completed", "failed", "accepted", "accepted", "available"]
    assert market.audit().exact


def test_it_answers_as_the_calls_of_their_own_do(market: Market, clock: SetClock) -> None:
    agent, other = market.agent(), market.agent()
    superseded, theirs, mine = (market.consumer.submit() for _ in range(3))
    late = leased(agent, superseded)
    clock.advance(1000)
    assert superseded in other.offered()
    for job_id in (superseded, theirs):
        said(other.accept(job_id))
    reports = {
        "absent": COMPLETION,
        theirs: COMPLETION,
        superseded: late,
        mine: leased(agent, mine),
    }
    alone = {job: agent.complete(job, **report) for job, report in reports.items() if job != mine}
    told = turn(agent, completed=reports)["completed"]
    assert told.pop(mine)["code"] == 200
    assert {job: (each["code"], each["detail"]) for job, each in told.items()} == {
        job: refusal(answer) for job, answer in alone.items()
    }
    assert sorted(each["code"] for each in told.values()) == [403, 404, 409]
    assert market.consumer.status(mine) == "completed"


def test_what_cannot_be_accepted_does_not_keep_the_rest(market: Market) -> None:
    agent, taken, free = market.agent(), market.consumer.submit(), market.consumer.submit()
    said(market.agent().accept(taken))
    told = turn(agent, accepted={taken: "a", "absent": "b", free: "c"})["accepted"]
    assert {job: each["code"] for job, each in told.items()} == {
        taken: 400,
        "absent": 404,
        free: 200,
    }
    assert market.consumer.status(free) == "accepted"


def test_a_repeated_turn_has_the_same_answer(market: Market) -> None:
    agent, first, second = market.agent(), market.consumer.submit(), market.consumer.submit()
    asked = {"completed": {first: leased(agent, first)}, "accepted": {second: "mine"}}
    once = turn(agent, **asked)
    assert once["accepted"][second]["answer"]["lease_id"]
    assert turn(agent, **asked) == once
    assert market.consumer.job(first)["attempts"] == 1
    assert market.audit().exact


def test_an_acceptance_in_a_turn_is_that_of_a_call(market: Market) -> None:
    agent, job_id = market.agent(), market.consumer.submit()
    told = turn(agent, accepted={job_id: "mine"})["accepted"][job_id]["answer"]
    assert said(agent.accept(job_id, headers={"Idempotency-Key": "mine"})) == told


def test_what_is_offered_ahead_is_held_back_from_others(market: Market) -> None:
    agent, jobs = market.agent(), [market.consumer.submit() for _ in range(3)]
    query = {**BASE_QUERY, "max_concurrent_jobs": 1, "free_slots": 2}
    assert [job["job_id"] for job in turn(agent, query=query)["jobs"]] == jobs[:2]
    assert [job["job_id"] for job in turn(market.agent(), query=query)["jobs"]] == jobs[2:]


def test_a_turn_does_not_wait(market: Market) -> None:
    assert turn(market.agent(), query=FOREVER) == {}


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"wallet_address": ""}, "wallet_address"),
        ({"accepted": {"../x": "a"}}, "accepted"),
        ({"accepted": {"x": ""}}, "accepted"),
        ({"accepted": {f"job-{n}": "a" for n in range(MOST_OF_A_KIND + 1)}}, "accepted"),
        ({"completed": {"x": {"duration": -1}}}, "completed"),
        ({"failed": {"x": COMPLETION}}, "failed"),
        ({"query": {"gpu_memory": "much"}}, "query"),
        ({"released": {}}, "released"),
    ],
)
def test_a_turn_that_is_none_is_refused_by_name(
    market: Market, asked: dict[str, Any], complaint: str
) -> None:
    code, detail = refusal(
        market.agent().post("/api/jobs/turn", {"wallet_address": "0xabc", **asked})
    )
    assert code == 422
    assert detail.startswith(complaint)
