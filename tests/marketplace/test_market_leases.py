"""Leases, with a clock that the test sets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from marketplace.market_parts import BOTH, Market, SetClock, eventually, refusal, said

from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings
from node3nb.marketplace.store import ledger, returns
from node3nb.marketplace.store.leases import NAMED_SLACK_S
from node3nb.marketplace.store.queue import PRIORITY_S

DATABASES = BOTH

LEASE_S = 90


def test_sixty_seconds_of_silence_are_borne(market: Market, clock: SetClock) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    lease = agent.lease(job_id)
    for _ in range(5):
        clock.advance(60)
        assert agent.offered() == []
        assert list(agent.beat(**{job_id: lease})["leases"]) == [job_id]


def test_a_silent_agents_job_is_offered_again(market: Market, clock: SetClock) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    agent.lease(job_id)
    clock.advance(LEASE_S)
    assert market.agent().offered() == [job_id]
    events = [event["event"] for event in market.consumer.job(job_id)["history"]]
    assert events == ["submitted", "accepted", "expired"]


def test_silence_ends_the_job_after_its_last_attempt(market: Market, clock: SetClock) -> None:
    job_id, agent = market.consumer.submit(max_attempts=2), market.agent()
    for status in ("available", "failed"):
        agent.lease(job_id)
        clock.advance(LEASE_S)
        agent.offered()
        assert market.consumer.status(job_id) == status
    view = market.consumer.job(job_id)
    assert (view["error_type"], view["attempts"]) == ("lost", 2)
    assert "silent" in view["error_message"]


def test_a_late_result_counts_while_nobody_else_has_the_job(
    market: Market, clock: SetClock
) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    lease = agent.lease(job_id)
    clock.advance(1000)
    assert market.agent().offered() == [job_id]
    said(agent.complete(job_id, lease_id=lease))
    assert market.consumer.status(job_id) == "completed"
    assert market.agent().offered() == []


def test_a_late_result_counts_even_when_the_job_was_given_up(
    market: Market, clock: SetClock
) -> None:
    job_id, agent = market.consumer.submit(max_attempts=1), market.agent()
    lease = agent.lease(job_id)
    clock.advance(1000)
    agent.offered()
    assert market.consumer.status(job_id) == "failed"
    said(agent.complete(job_id, lease_id=lease))
    view = market.consumer.job(job_id)
    assert (view["status"], view["error_type"], view["error_message"]) == ("completed", None, None)


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_a_late_result_is_refused_once_somebody_else_has_the_job(
    market: Market, clock: SetClock, end: str
) -> None:
    job_id, slow, quick = market.consumer.submit(), market.agent(), market.agent()
    lost = slow.lease(job_id)
    clock.advance(LEASE_S)
    assert quick.offered() == [job_id]
    lease = quick.lease(job_id)
    assert refusal(getattr(slow, end)(job_id, lease_id=lost))[0] == 409
    assert refusal(getattr(slow, end)(job_id))[0] == 403
    assert slow.beat(**{job_id: lost})["unknown"] == [job_id]
    said(quick.complete(job_id, lease_id=lease))
    assert refusal(getattr(slow, end)(job_id, lease_id=lost))[0] == 409
    assert market.consumer.job(job_id)["agent_id"] == quick.agent_id


def test_an_agent_heard_again_in_time_keeps_its_job(market: Market, clock: SetClock) -> None:
    job_id, agent, other = market.consumer.submit(), market.agent(), market.agent()
    lease = agent.lease(job_id)
    clock.advance(1000)
    assert other.offered() == [job_id]
    assert list(agent.beat(**{job_id: lease})["leases"]) == [job_id]
    assert refusal(other.accept(job_id))[0] == 400
    assert market.consumer.status(job_id) == "running"


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_reports_are_idempotent_per_lease(market: Market, clock: SetClock, end: str) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    lease = agent.lease(job_id)
    first = said(getattr(agent, end)(job_id, lease_id=lease))
    clock.advance(1000)
    assert said(getattr(agent, end)(job_id, lease_id=lease)) == first
    other_end = {"complete": agent.fail, "fail": agent.complete}[end]
    assert refusal(other_end(job_id, lease_id=lease))[0] == 409


def test_a_failure_is_answered_the_same_after_somebody_else_took_the_job(market: Market) -> None:
    job_id, agent, other = market.consumer.submit(), market.agent(), market.agent()
    lease = agent.lease(job_id)
    first = said(agent.fail(job_id, lease_id=lease, error_type="internal"))
    assert (first["status"], first["job_status"]) == ("failed", "available")
    other.lease(job_id)
    assert said(agent.fail(job_id, lease_id=lease, error_type="internal")) == first
    assert market.consumer.job(job_id)["agent_id"] == other.agent_id


@pytest.mark.parametrize(
    ("error_type", "status"),
    [
        ("exited", "failed"),
        ("signaled", "failed"),
        ("timed_out", "failed"),
        ("out_of_memory", "failed"),
        ("disk_limit", "failed"),
        ("output_limit", "failed"),
        ("input_error", "available"),
        ("upload_error", "available"),
        ("refused", "available"),
        ("lost", "available"),
        ("internal", "available"),
        ("cancelled", "available"),
        (None, "available"),
    ],
)
def test_whose_fault_decides_what_follows(
    market: Market, error_type: str | None, status: str
) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    lease = agent.lease(job_id)
    said(agent.fail(job_id, lease_id=lease, error_type=error_type))
    assert market.consumer.status(job_id) == status


def test_after_the_last_attempt_a_job_fails_with_its_history(market: Market) -> None:
    job_id, agent = market.consumer.submit(max_attempts=3), market.agent()
    for _ in range(3):
        said(agent.fail(job_id, lease_id=agent.lease(job_id), error_type="internal"))
    view = market.consumer.job(job_id)
    assert (view["status"], view["attempts"]) == ("failed", 3)
    assert (view["error_type"], view["error_message"]) == ("internal", "it broke")
    events = [event["event"] for event in view["history"]]
    assert events.count("attempt_failed") == 2
    assert events[-1] == "failed"
    assert view["history"][-1]["detail"] == "internal: it broke"


def test_a_released_job_is_offered_at_once_and_loses_no_attempt(market: Market) -> None:
    job_id, agent = market.consumer.submit(max_attempts=1), market.agent()
    lease = agent.lease(job_id)
    body = {"lease_id": lease, "reason": "the notebook closes"}
    first = said(agent.post(f"/api/jobs/{job_id}/release", body))
    assert said(agent.post(f"/api/jobs/{job_id}/release", body)) == first
    assert market.agent().offered() == [job_id]
    view = market.consumer.job(job_id)
    assert view["attempts"] == 0
    assert view["history"][-1]["detail"] == "the notebook closes"
    assert refusal(agent.complete(job_id, lease_id=lease))[0] == 409


def test_a_job_that_is_given_back_without_end_is_given_up(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returns, "MOST_FREE", 2)
    job_id, agent = market.consumer.submit(max_attempts=2), market.agent()
    for status in ("available", "available", "available", "failed"):
        body = {"lease_id": agent.lease(job_id)}
        said(agent.post(f"/api/jobs/{job_id}/release", body))
        assert market.consumer.status(job_id) == status
    view = market.consumer.job(job_id)
    assert (view["error_type"], view["error_message"]) == ("lost", returns.GIVEN_UP)
    assert view["history"][-1]["event"] == "failed"


def test_only_the_holder_releases(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    lease = agent.lease(job_id)
    body = {"lease_id": lease}
    assert refusal(market.agent().post(f"/api/jobs/{job_id}/release", body))[0] == 403
    wrong = {"lease_id": "nothing"}
    assert refusal(agent.post(f"/api/jobs/{job_id}/release", wrong))[0] == 403


def test_a_heartbeat_tells_what_is_not_ones_own(market: Market) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    lease = agent.lease(job_id)
    beat = agent.beat(**{job_id: lease, "nothing": "x"})
    assert (list(beat["leases"]), beat["unknown"]) == ([job_id], ["nothing"])
    assert market.agent().beat(**{job_id: lease})["unknown"] == [job_id]
    assert agent.beat(**{job_id: "wrong"})["unknown"] == [job_id]


def test_a_heartbeat_that_names_nothing_renews_nothing(market: Market, clock: SetClock) -> None:
    job_id, agent = market.consumer.submit(), market.agent()
    agent.lease(job_id)
    clock.advance(60)
    assert agent.beat()["leases"] == {}
    clock.advance(60)
    assert agent.offered() == [job_id]


def test_the_sweep_finds_what_no_poll_finds(settings: Settings, clock: SetClock) -> None:
    with running(replace(settings, sweep_s=0.02), clock) as url:
        market = Market(url, settings.data_dir)
        job_id = market.consumer.submit()
        market.agent().lease(job_id)
        clock.advance(LEASE_S)
        eventually(lambda: market.consumer.status(job_id) == "available")
        market.close()


def test_a_completed_job_is_paid_once_and_exactly(market: Market) -> None:
    agent, before = market.agent(), market.audit()
    for reward in (0.1, 0.2, 1e9, 0):
        job_id = market.consumer.submit(reward=reward)
        lease = agent.lease(job_id)
        for _ in range(2):
            assert said(agent.complete(job_id, lease_id=lease))["reward"] == reward
    lost = market.consumer.submit(reward=7)
    said(agent.fail(lost, lease_id=agent.lease(lost), error_type="exited"))
    audit = market.audit()
    assert audit.exact
    assert audit.entries - before.entries == 4
    assert audit.booked_micro - before.booked_micro == 1_000_000_000_300_000
    assert market.do(lambda c: ledger.balance(c, agent.agent_id)) == 1_000_000_000_300_000


def test_a_lease_is_not_renewed_for_ever(market: Market, clock: SetClock) -> None:
    job_id, agent = market.consumer.submit(timeout=100), market.agent()
    lease = agent.lease(job_id)
    for _ in range(int((NAMED_SLACK_S + 100) / 60)):
        clock.advance(60)
        assert list(agent.beat(**{job_id: lease})["leases"]) == [job_id]
    for _ in range(2):
        clock.advance(60)
        assert agent.beat(**{job_id: lease})["unknown"] == [job_id]
    assert market.agent().offered() == [job_id]
    assert agent.beat(**{job_id: lease})["unknown"] == [job_id]


def test_no_stream_of_urgent_jobs_starves_another(market: Market, clock: SetClock) -> None:
    patient, agent = market.consumer.submit(priority=-1000), market.agent()
    passed = 0
    while True:
        urgent = market.consumer.submit(priority=1000)
        first = agent.offered(free_slots=1)
        if first == [patient]:
            break
        assert first == [urgent]
        said(agent.complete(urgent, lease_id=agent.lease(urgent)))
        passed += 1
        clock.advance(3600)
    assert passed * 3600 >= 2000 * PRIORITY_S > (passed - 2) * 3600
