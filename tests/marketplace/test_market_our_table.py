"""Our own table: submissions, views, fitting, priority, cancelling."""

from __future__ import annotations

import pytest
from marketplace.market_parts import BOTH, Market, SetClock, refusal, said

DATABASES = BOTH

GIB = 1 << 30


def test_a_repeated_submission_is_the_same_job(market: Market) -> None:
    names = {"Idempotency-Key": "one"}
    first = said(market.consumer.post("/api/jobs", {"command": ["a"]}, headers=names))
    assert said(market.consumer.post("/api/jobs", {"command": ["a"]}, headers=names)) == first
    code, _ = refusal(market.consumer.post("/api/jobs", {"command": ["b"]}, headers=names))
    assert code == 409
    other = said(market.admin.post("/api/jobs", {"command": ["a"]}, headers=names))
    assert other["job_id"] != first["job_id"]


def test_a_repeated_acceptance_is_the_same_lease(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    names = {"Idempotency-Key": "mine"}
    first = said(agent.accept(job_id, headers=names))
    assert said(agent.accept(job_id, headers=names)) == first
    assert refusal(agent.accept(job_id, headers={"Idempotency-Key": "else"}))[0] == 400
    assert refusal(market.agent().accept(job_id, headers=names))[0] == 400


def test_priority_comes_before_age(market: Market) -> None:
    old = market.consumer.submit()
    young = market.consumer.submit()
    urgent = market.consumer.submit(priority=5)
    later = market.consumer.submit(priority=-5)
    assert market.agent().offered() == [urgent, old, young, later]


def test_no_more_jobs_than_free_slots(market: Market) -> None:
    agent = market.agent()
    for _ in range(3):
        market.consumer.submit()
    assert len(agent.poll(free_slots=2)) == 2
    assert agent.poll(free_slots=0) == []
    assert agent.poll(max_concurrent_jobs=0) == []


@pytest.mark.parametrize(
    ("job", "unfit", "fit"),
    [
        ({"gpu_memory_required": GIB}, {"gpu_memory": GIB - 1}, {"gpu_memory": GIB}),
        ({"requirements": {"gpus": 1}}, {"gpu_memory": 0}, {"gpu_memory": 1}),
        ({"requirements": {"cpus": 4.0}}, {"cpu_count": 3}, {"cpu_count": 4}),
        ({"requirements": {"memory_bytes": 100}}, {"memory_bytes": 99}, {"memory_bytes": 100}),
        (
            {"requirements": {"isolation": "namespaces"}},
            {"isolation": "landlock"},
            {"isolation": "container"},
        ),
        (
            {"environment": {"REQUIRE_CONTAINER": "true"}},
            {"executors": ["native"]},
            {"executors": ["native", "container"]},
        ),
        ({"environment": {"REQUIRE_CONTAINER": "true"}}, {"executors": []}, {}),
    ],
)
def test_only_what_fits_is_offered(
    market: Market, job: dict[str, object], unfit: dict[str, object], fit: dict[str, object]
) -> None:
    job_id, agent = market.consumer.submit(**job), market.agent()
    assert agent.offered(**unfit) == []
    assert agent.offered(**fit) == [job_id]


def test_a_view_tells_the_whole_story(market: Market, clock: SetClock) -> None:
    job_id, agent = market.consumer.submit(reward=2.0), market.agent()
    lease = agent.lease(job_id)
    clock.advance(5)
    said(agent.complete(job_id, lease_id=lease, output_data={"exit_code": 0}))
    view = market.consumer.job(job_id)
    assert (view["status"], view["reward"], view["attempts"]) == ("completed", 2.0, 1)
    assert view["agent_id"] == agent.agent_id
    assert view["output_data"] == {"exit_code": 0}
    assert [event["event"] for event in view["history"]] == ["submitted", "accepted", "completed"]
    assert view["finished_at"] > view["started_at"] == view["submitted_at"]


def test_lists_go_page_by_page(market: Market) -> None:
    consumer = market.other_consumer()
    job_ids = [consumer.submit() for _ in range(5)]
    seen, cursor = [], None
    while len(seen) < 5:
        page = said(consumer.get("/api/jobs", params={"limit": 2, "cursor": cursor}))
        seen += [job["job_id"] for job in page["jobs"]]
        cursor = page["cursor"]
    assert seen == job_ids[::-1]
    assert cursor is None


def test_lists_are_filtered_by_status(market: Market) -> None:
    consumer = market.other_consumer()
    consumer.submit()
    cancelled = consumer.submit()
    said(consumer.post(f"/api/jobs/{cancelled}/cancel"))
    page = said(consumer.get("/api/jobs", params={"status": "cancelled"}))
    assert [job["job_id"] for job in page["jobs"]] == [cancelled]
    assert refusal(market.consumer.get("/api/jobs", params={"status": "odd"}))[0] == 422


def test_a_waiting_job_is_cancelled_at_once(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    assert said(market.consumer.post(f"/api/jobs/{job_id}/cancel"))["status"] == "cancelled"
    assert agent.offered() == []
    assert refusal(agent.accept(job_id))[0] == 400
    assert said(market.consumer.post(f"/api/jobs/{job_id}/cancel"))["status"] == "cancelled"


def test_the_agent_of_a_cancelled_job_hears_of_it(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    lease = agent.lease(job_id)
    said(market.consumer.post(f"/api/jobs/{job_id}/cancel"))
    beat = agent.beat(**{job_id: lease})
    assert (beat["cancel"], beat["unknown"], beat["leases"]) == ([job_id], [], {})
    assert said(agent.fail(job_id, lease_id=lease, error_type="cancelled"))["status"] == "cancelled"
    assert refusal(agent.complete(job_id, lease_id=lease))[0] == 409
    assert market.consumer.status(job_id) == "cancelled"


def test_a_finished_job_cannot_be_cancelled(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    agent.lease(job_id)
    said(agent.complete(job_id))
    assert refusal(market.consumer.post(f"/api/jobs/{job_id}/cancel"))[0] == 409


def test_statuses_follow_what_the_agent_does(market: Market) -> None:
    job_id, agent = market.consumer.submit(awaits_input=True), market.agent()
    assert market.consumer.status(job_id) == "pending"
    said(market.consumer.put(f"/api/jobs/{job_id}/input", b"x"))
    assert market.consumer.status(job_id) == "available"
    lease = agent.lease(job_id)
    assert market.consumer.status(job_id) == "accepted"
    agent.get(f"/api/jobs/{job_id}/input")
    assert market.consumer.status(job_id) == "downloading"
    agent.beat(**{job_id: lease})
    assert market.consumer.status(job_id) == "running"
    agent.get(f"/api/jobs/{job_id}/input")
    assert market.consumer.status(job_id) == "running"
    said(agent.put(f"/api/jobs/{job_id}/output", b"y"))
    assert market.consumer.status(job_id) == "uploading"
    agent.beat(**{job_id: lease})
    assert market.consumer.status(job_id) == "uploading"
    said(agent.complete(job_id, lease_id=lease))
    assert market.consumer.status(job_id) == "completed"


def test_a_piece_of_log_means_running(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    agent.lease(job_id)
    agent.call("PATCH", f"/api/jobs/{job_id}/log?offset=0", data=b"hello")
    assert market.consumer.status(job_id) == "running"
