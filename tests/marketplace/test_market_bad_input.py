"""Bad input: always one sentence that names the field, never a failure of the server."""

from __future__ import annotations

import json

import pytest
from marketplace.market_parts import (
    BASE_QUERY,
    BOTH,
    COMPLETION,
    FAILURE,
    MACHINE,
    Market,
    refusal,
    said,
)

DATABASES = BOTH

BAD_JOBS = [
    ({}, "command"),
    ({"command": []}, "command"),
    ({"command": [""]}, "command"),
    ({"command": "true"}, "command"),
    ({"command": [1]}, "command.0"),
    ({"command": ["a\0b"]}, "command"),
    ({"command": ["x" * (200 << 10)]}, "command"),
    ({"command": ["x"], "colour": "red"}, "colour"),
    ({"command": ["x"], "job_id": "mine"}, "job_id"),
    ({"command": ["x"], "environment": {"A": "a\0"}}, "environment"),
    ({"command": ["x"], "environment": {"A": "a\nb"}}, "environment"),
    ({"command": ["x"], "environment": {"1A": "a"}}, "environment"),
    ({"command": ["x"], "environment": {"A": 1}}, "environment"),
    ({"command": ["x"], "environment": []}, "environment"),
    ({"command": ["x"], "timeout": -1}, "timeout"),
    ({"command": ["x"], "timeout": 1e30}, "timeout"),
    ({"command": ["x"], "timeout": "60"}, "timeout"),
    ({"command": ["x"], "timeout": True}, "timeout"),
    ({"command": ["x"], "timeout": None}, "timeout"),
    ({"command": ["x"], "reward": -1}, "reward"),
    ({"command": ["x"], "gpu_memory_required": -1}, "gpu_memory_required"),
    ({"command": ["x"], "gpu_memory_required": 1 << 70}, "gpu_memory_required"),
    ({"command": ["x"], "gpu_memory_required": 1.5}, "gpu_memory_required"),
    ({"command": ["x"], "requirements": {"cpus": 0}}, "requirements.cpus"),
    ({"command": ["x"], "requirements": {"isolation": "magic"}}, "requirements.isolation"),
    ({"command": ["x"], "requirements": {"odd": 1}}, "requirements.odd"),
    ({"command": ["x"], "files": {"../up": "x"}}, "files"),
    ({"command": ["x"], "files": {"a": "x\0"}}, "files.a"),
    ({"command": ["x"], "max_attempts": 0}, "max_attempts"),
    ({"command": ["x"], "priority": 1 << 40}, "priority"),
    ({"command": ["x"], "input_sha256": "abc"}, "input_sha256"),
    ({"command": ["x"], "input_name": "../up"}, "input_name"),
    ({"command": ["x"], "awaits_input": True, "input_data_url": "http://x/y"}, "awaits_input"),
]

#: Bodies that are no JSON object, with how each is told.
NO_OBJECTS = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"\xff\xfe",
    b'{"command": ["\xff"]}',
    b"[" * 100_000,
    b'{"command": ' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize(("job", "field"), BAD_JOBS)
def test_a_bad_job_is_refused_by_the_name_of_its_field(
    market: Market, job: dict[str, object], field: str
) -> None:
    before = said(market.admin.get("/api/admin/stats"))["jobs"]
    code, detail = refusal(market.consumer.post("/api/jobs", job))
    assert code == 422
    assert detail.startswith(field), detail
    assert len(detail) < 400
    assert said(market.admin.get("/api/admin/stats"))["jobs"] == before


@pytest.mark.parametrize("body", NO_OBJECTS, ids=range(len(NO_OBJECTS)))
def test_what_is_no_json_object_is_refused(market: Market, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = market.consumer.call("POST", "/api/jobs", data=body, headers=headers)
    assert 400 <= answer.status_code < 500
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize("size", [3 << 20, 10 << 20])
def test_a_huge_body_is_413(market: Market, size: int) -> None:
    assert refusal(market.consumer.post("/api/jobs", {"command": ["x" * size]}))[0] == 413
    chunks = iter([b'{"command": ["', b"x" * size, b'"]}'])
    assert refusal(market.consumer.call("POST", "/api/jobs", data=chunks))[0] == 413


@pytest.mark.parametrize("jobs", [{"x\0": "y"}, {"x": "y\0"}])
def test_a_name_that_no_database_keeps_is_refused(market: Market, jobs: dict[str, str]) -> None:
    code, detail = refusal(market.agent().post("/api/agents/heartbeat", {"jobs": jobs}))
    assert code == 422
    assert detail.startswith("jobs"), detail


def test_a_field_name_that_no_answer_could_carry(market: Market) -> None:
    body = b'{"command": ["x"], "\\ud800\\u0000": 1}'
    answer = market.consumer.call(
        "POST", "/api/jobs", data=body, headers={"Content-Type": "application/json"}
    )
    assert refusal(answer)[0] == 422


@pytest.mark.parametrize(
    "text",
    [
        '{"output_data": NaN}',
        '{"output_data": {"a": Infinity}}',
        '{"output_data": "\\ud800"}',
        '{"metrics": {"\\ud800": 1}}',
        '{"metrics": []}',
        '{"duration": NaN}',
        '{"duration": -1}',
        '{"duration": ' + "9" * 400 + "}",
        '{"started_at": 7}',
        '{"lease_id": 7}',
        '{"lease_id": "\\ud800"}',
        '{"output_data": "' + "x" * ((1 << 20) + 1) + '"}',
        '{"more": 1}',
    ],
    ids=range(13),
)
def test_a_bad_report_is_refused_and_a_good_one_is_still_taken(market: Market, text: str) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    agent.lease(job_id)
    field = json.loads(text).popitem()[0]
    body = json.dumps(COMPLETION)[:-1] + ", " + text[1:]
    headers = {"Content-Type": "application/json"}
    answer = agent.call("POST", f"/api/jobs/{job_id}/complete", data=body, headers=headers)
    code, detail = refusal(answer)
    assert code == 422
    assert detail.startswith(field), detail
    said(agent.complete(job_id))


def test_deep_output_data_is_kept_or_refused(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    agent.lease(job_id)
    for depth in (100_000, 900, 200):
        deep = "[" * depth + "]" * depth
        body = json.dumps(COMPLETION)[:-1] + f', "output_data": {deep}}}'
        headers = {"Content-Type": "application/json"}
        answer = agent.call("POST", f"/api/jobs/{job_id}/complete", data=body, headers=headers)
        assert answer.status_code < 500
    assert market.consumer.get(f"/api/jobs/{job_id}").status_code == 200


def test_odd_output_data_comes_back_as_it_was(market: Market) -> None:
    odd = {"text": "\0 ü 😀 \n", "big": 10**30, "deep": [[[{}]]], "none": None}
    job_id, agent = market.consumer.submit(), market.agent()
    agent.lease(job_id)
    said(agent.complete(job_id, output_data=odd))
    assert market.consumer.job(job_id)["output_data"] == odd


@pytest.mark.parametrize(
    ("path", "body", "change"),
    [
        ("/api/agents/register", MACHINE, {"wallet_address": ""}),
        ("/api/agents/register", MACHINE, {"wallet_address": "a\0b"}),
        ("/api/agents/register", MACHINE, {"gpu_memory": -1}),
        ("/api/agents/register", MACHINE, {"gpu_memory": "24GB"}),
        ("/api/agents/register", MACHINE, {"gpu_model": None}),
        ("/api/agents/register", MACHINE, {"compute_capability": [8]}),
        ("/api/agents/heartbeat", {}, {"jobs": []}),
        ("/api/agents/heartbeat", {}, {"jobs": {"a": 1}}),
        ("/api/agents/heartbeat", {}, {"state": "x" * 65}),
        ("/api/jobs/available", BASE_QUERY, {"wait_s": 3600}),
        ("/api/jobs/available", BASE_QUERY, {"wait_s": -1}),
        ("/api/jobs/available", BASE_QUERY, {"isolation": "magic"}),
        ("/api/jobs/available", BASE_QUERY, {"max_concurrent_jobs": -1}),
        ("/api/jobs/available", BASE_QUERY, {"executors": "native"}),
        ("/api/jobs/available", BASE_QUERY, {"free_slots": 1 << 70}),
        ("/api/jobs/{job}/accept", {"wallet_address": "w"}, {"wallet_address": 7}),
        ("/api/jobs/{job}/fail", FAILURE, {"error_message": None}),
        ("/api/jobs/{job}/fail", FAILURE, {"error_message": "x" * 10_001}),
        ("/api/jobs/{job}/release", {"lease_id": "x"}, {"lease_id": None}),
    ],
)
def test_every_call_names_the_field_it_refuses(
    market: Market, path: str, body: dict[str, object], change: dict[str, object]
) -> None:
    job_id = market.consumer.submit()
    agent = market.agent()
    code, detail = refusal(agent.post(path.replace("{job}", job_id), {**body, **change}))
    assert code == 422
    assert detail.startswith(next(iter(change))), detail


@pytest.mark.parametrize(
    "path",
    [
        "/api/jobs/%00",
        "/api/jobs/a%2Fb",
        "/api/jobs/" + "x" * 200,
        "/api/jobs/%ff",
        "/api/jobs?limit=0",
        "/api/jobs?limit=x",
        "/api/jobs?cursor=-1",
        "/api/jobs?cursor=" + "9" * 30,
        "/api/jobs?status=%00",
        "/api/jobs/x/log?offset=-1",
        "/api/jobs/x/log?offset=" + "9" * 30,
        "/api/jobs/x/log?attempt=-1",
        "/api/jobs/x/log?follow=often",
        "/api/jobs/x/log?follow&wait_s=nan",
        "/api/jobs/x/log?follow&wait_s=inf",
        "/api/jobs/x/input?token=%00",
        "/api/jobs/x/input?token=" + "x" * 1000,
        "/nothing",
        "/docs",
    ],
)
def test_odd_paths_are_refused(market: Market, path: str) -> None:
    answer = market.consumer.get(path)
    assert 400 <= answer.status_code < 500
    assert isinstance(answer.json()["detail"], str)


def test_what_was_sent_is_not_echoed(market: Market) -> None:
    answer = market.consumer.post("/api/jobs", {"command": "hunter2", "environment": "hunter2"})
    assert "hunter2" not in answer.text


def test_a_call_the_marketplace_does_not_know_is_404_or_405(market: Market) -> None:
    assert market.consumer.get("/api/unknown").status_code == 404
    assert market.consumer.call("DELETE", "/api/jobs").status_code == 405


def test_a_body_without_a_content_type_is_read_as_json(market: Market) -> None:
    body = json.dumps({"command": ["true"]})
    assert market.consumer.call("POST", "/api/jobs", data=body).status_code == 200
