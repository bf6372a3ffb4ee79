"""The base table of protocol.md, call by call, and an agent that knows nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from marketplace.base_agent import BaseAgent
from marketplace.market_parts import (
    BASE_QUERY,
    BOTH,
    COMPLETION,
    FAILURE,
    MACHINE,
    Market,
    SetClock,
    refusal,
    said,
)

DATABASES = BOTH

GIB = 1 << 30


@pytest.fixture
def agent(market: Market) -> Iterator[BaseAgent]:
    agent = BaseAgent(market.url)
    yield agent
    agent.close()


def create(market: Market, **job: object) -> str:
    answer = said(market.admin.post("/api/admin/jobs/create", {"command": ["true"], **job}))
    assert answer["status"] == "available"
    return str(answer["job_id"])


def test_registration_answers_an_id_and_a_key(market: Market) -> None:
    answer = said(market.nobody.post("/api/agents/register", MACHINE))
    assert set(answer) == {"agent_id", "api_key", "message"}


def test_heartbeat_needs_no_body(agent: BaseAgent) -> None:
    answer = agent.heartbeat()
    assert answer["status"] == "ok"
    assert answer["timestamp"].endswith("+00:00")


def test_a_job_on_the_wire_has_every_field_of_the_table(market: Market, agent: BaseAgent) -> None:
    job_id = create(
        market,
        job_type="inference",
        docker_image="python:3.11",
        command=["python", "-c", "print(6*7)"],
        environment={"A": "b"},
        gpu_memory_required=GIB,
        estimated_duration=10,
        reward=2.5,
        timeout=120,
        input_data_url="https://example.org/in.zip",
        output_upload_url="https://example.org/out",
    )
    (job,) = agent.available()
    assert job["job_id"] == job_id
    assert job["command"] == ["python", "-c", "print(6*7)"]
    assert job["environment"] == {"A": "b"}
    assert (job["job_type"], job["docker_image"]) == ("inference", "python:3.11")
    assert (job["gpu_memory_required"], job["estimated_duration"]) == (GIB, 10)
    assert (job["reward"], job["timeout"]) == (2.5, 120)
    assert job["input_data_url"] == "https://example.org/in.zip"
    assert job["output_upload_url"] == "https://example.org/out"


def test_a_base_agent_runs_a_job_with_input_and_output(market: Market, agent: BaseAgent) -> None:
    job_id = market.consumer.submit(awaits_input=True, input_name="data.tar.gz", reward=3)
    assert agent.available() == []
    said(market.consumer.put(f"/api/jobs/{job_id}/input", b"the input"))
    (job,) = agent.available()
    accepted = said(agent.accept(job_id))
    assert (accepted["status"], accepted["job_id"], accepted["reward"]) == ("accepted", job_id, 3)
    assert job["input_data_url"].partition("?")[0].endswith("/data.tar.gz")
    assert agent.fetch(job["input_data_url"]).content == b"the input"
    assert market.consumer.status(job_id) == "downloading"
    assert agent.upload(job["output_upload_url"], b"the output").status_code == 200
    assert market.consumer.status(job_id) == "uploading"
    completed = said(agent.complete(job_id))
    assert (completed["status"], completed["job_id"], completed["reward"]) == (
        "completed",
        job_id,
        3,
    )
    assert market.consumer.get(f"/api/jobs/{job_id}/output").content == b"the output"
    view = market.consumer.job(job_id)
    assert view["output_data"] == {"stdout": "42\n"}
    assert view["metrics"] == {"cpu": 0.5}


def test_a_base_agent_fails_a_job_of_its_own_fault(market: Market, agent: BaseAgent) -> None:
    job_id = create(market)
    said(agent.accept(job_id))
    answer = said(agent.fail(job_id, error_type="exited"))
    assert (answer["status"], answer["job_id"]) == ("failed", job_id)
    assert market.admin.status(job_id) == "failed"


def test_an_unknown_error_type_is_not_the_jobs_fault(market: Market, agent: BaseAgent) -> None:
    job_id = create(market, max_attempts=2)
    for status in ("available", "failed"):
        said(agent.accept(job_id))
        said(agent.fail(job_id, error_type="RuntimeError"))
        assert market.admin.status(job_id) == status


def test_accepting_twice_is_400_and_an_unknown_job_404(market: Market, agent: BaseAgent) -> None:
    job_id = create(market)
    said(agent.accept(job_id))
    assert refusal(agent.accept(job_id))[0] == 400
    assert refusal(market.agent().accept(job_id))[0] == 400
    assert refusal(agent.accept("nothing"))[0] == 404


@pytest.mark.parametrize("call", ["complete", "fail"])
def test_reporting_what_is_not_ones_own(market: Market, agent: BaseAgent, call: str) -> None:
    job_id = create(market)
    other = market.agent()
    body = COMPLETION if call == "complete" else FAILURE
    assert refusal(other.post(f"/api/jobs/{job_id}/{call}", body))[0] == 403
    said(agent.accept(job_id))
    assert refusal(other.post(f"/api/jobs/{job_id}/{call}", body))[0] == 403
    assert refusal(other.post(f"/api/jobs/nothing/{call}", body))[0] == 404


def test_reporting_in_the_wrong_state_is_400(market: Market, agent: BaseAgent) -> None:
    job_id = create(market)
    said(agent.accept(job_id))
    said(agent.complete(job_id))
    assert refusal(agent.fail(job_id))[0] == 400


def test_repeating_a_report_is_answered_as_the_first_time(market: Market, agent: BaseAgent) -> None:
    job_id = create(market)
    said(agent.accept(job_id))
    assert said(agent.complete(job_id)) == said(agent.complete(job_id))


def test_heartbeats_without_a_body_renew_for_the_jobs_own_time(
    market: Market, agent: BaseAgent, clock: SetClock
) -> None:
    job_id = create(market, timeout=100)
    said(agent.accept(job_id))
    for _ in range(11):
        clock.advance(60)
        agent.heartbeat()
        assert agent.available() == []
    for _ in range(3):
        clock.advance(60)
        agent.heartbeat()
    assert [job["job_id"] for job in agent.available()] == [job_id]


def test_jobs_are_offered_by_gpu_memory_only(market: Market, agent: BaseAgent) -> None:
    fits = create(
        market,
        gpu_memory_required=24 * GIB,
        environment={"REQUIRE_CONTAINER": "true"},
        requirements={"cpus": 4000.0, "memory_bytes": 1 << 49, "isolation": "container"},
    )
    create(market, gpu_memory_required=24 * GIB + 1)
    assert [job["job_id"] for job in agent.available()] == [fits]


def test_counts_liveness_and_lists(market: Market, agent: BaseAgent) -> None:
    job_id = create(market)
    assert said(market.nobody.get("/health"))["status"] == "healthy"
    assert said(market.nobody.get("/api/status"))["jobs"]["available"] == 1
    assert said(market.admin.get("/api/admin/stats"))["agents"]["active"] >= 1
    assert said(market.admin.get("/api/jobs?limit=1"))["jobs"][0]["job_id"] == job_id
    agents = said(market.admin.get("/api/marketplace/agents?limit=1000"))["agents"]
    assert agent.agent_id in {each["agent_id"] for each in agents}
    assert all("wallet_address" not in each for each in agents)


def test_a_base_query_needs_none_of_our_fields(market: Market) -> None:
    job_id = create(market)
    answer = market.agent().post("/api/jobs/available", BASE_QUERY)
    assert said(answer)["jobs"][0]["job_id"] == job_id
