"""A base marketplace takes a report once: what is made of a refusal when an answer was lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest
from agent.agent_parts import BOUND_S, eventually, provider, told
from support.base_faults import TRUNCATED, Fault, status
from support.base_marketplace import BaseMarketplace
from support.lossy_network import lossy

from node3nb import config
from node3nb.agent.ledger import Tally
from node3nb.agent.records import Snapshot
from node3nb.provider import Provider

LIST = "GET /api/jobs$"
FAILS = ["python", "-c", "import sys; sys.exit(3)"]


def delivered(running: Provider) -> Snapshot:
    """Wait until nothing is left to be delivered, and return how things are then."""
    eventually(lambda: running.snapshot().ever != Tally())
    eventually(lambda: list(config.outbox_dir().iterdir()) == [])
    return running.snapshot()


def test_what_was_completed_is_booked_as_completed(base: BaseMarketplace) -> None:
    job_id = base.add_job(["true"])
    base.inject(f"{job_id}/complete", TRUNCATED)
    with provider(base.url) as running:
        now = delivered(running)
        eventually(lambda: running.snapshot().completed == 1)
        assert now.ever == Tally(1, 0, 1.5)
        assert not told(running, "not wanted any more")
        assert running.result(job_id).message == ""
    assert len(base.calls_to(f"{job_id}/complete")) == 2
    assert len(base.jobs[job_id].completed) == 1


def test_a_line_that_breaks_before_the_answer(base: BaseMarketplace) -> None:
    """A repeat made unseen, deep in a client of HTTP, would be refused as if it were the first."""
    with lossy(base.url) as network:
        network.swallow("/complete", 1)
        with provider(network.url) as running:
            job_id = base.add_job(["true"])
            assert delivered(running).ever == Tally(1, 0, 1.5)
    assert len(base.calls_to(f"{job_id}/complete")) == 2


def test_what_failed_keeps_its_own_words(base: BaseMarketplace) -> None:
    job_id = base.add_job(FAILS)
    base.inject(f"{job_id}/fail", TRUNCATED)
    with provider(base.url) as running:
        assert delivered(running).ever == Tally(0, 1, 0.0)
        eventually(lambda: told(running, "The job exited with code 3."))
        assert not told(running, "not wanted any more")


def test_a_provider_that_is_killed_between_report_and_answer(base: BaseMarketplace) -> None:
    job_id = base.add_job(["true"])
    base.inject(f"{job_id}/complete", Fault(delay_s=600, after_effect=True))
    command = [sys.executable, "-m", "node3nb", "provide", "--marketplace", base.url]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        try:
            base.wait_for(job_id, "completed", timeout_s=BOUND_S)
        finally:
            running.send_signal(signal.SIGKILL)
    with provider(base.url) as next_one:
        assert delivered(next_one).ever == Tally(1, 0, 1.5)
        assert not told(next_one, "not wanted any more")
    assert len(base.calls_to(f"{job_id}/complete")) == 2


@pytest.mark.parametrize(
    "fault",
    [status(404), status(403), Fault(200, b'{"jobs": [7, {}]}'), Fault(200, b'{"jobs": {}}')],
    ids=["not offered", "not allowed", "without it", "no list"],
)
def test_a_marketplace_that_does_not_tell_has_it_counted_and_said(
    base: BaseMarketplace, fault: Fault
) -> None:
    base.inject(LIST, fault)
    job_id = base.add_job(["true"])
    base.inject(f"{job_id}/complete", TRUNCATED)
    with provider(base.url) as running:
        assert delivered(running).ever == Tally(1, 0, 1.5)
        eventually(lambda: told(running, "The report was sent and its answer lost; it counts"))
        assert "Job is completed" in running.result(job_id).message


def test_the_list_is_waited_for(base: BaseMarketplace) -> None:
    base.inject(LIST, status(503, "1"))
    job_id = base.add_job(["true"])
    base.inject(f"{job_id}/complete", TRUNCATED)
    with provider(base.url) as running:
        assert delivered(running).ever == Tally(1, 0, 1.5)
        assert not told(running, "its answer lost")
    assert len(base.calls_to(LIST)) == 2


@pytest.mark.parametrize("where", ["failed", "available", 7])
def test_what_the_list_denies_is_not_paid(base: BaseMarketplace, where: object) -> None:
    job_id = base.add_job(["true"])
    listed = json.dumps({"jobs": [{"job_id": job_id, "status": where}]}).encode()
    base.inject(LIST, Fault(200, listed))
    base.inject(f"{job_id}/complete", TRUNCATED)
    with provider(base.url) as running:
        assert delivered(running).ever == Tally(0, 1, 0.0)
        eventually(lambda: told(running, "not wanted any more"))


@pytest.mark.parametrize("code", [400, 403, 404])
def test_a_first_report_that_is_refused_was_not_heard(base: BaseMarketplace, code: int) -> None:
    job_id = base.add_job(["true"])
    base.inject(f"{job_id}/complete", status(code))
    with provider(base.url) as running:
        assert delivered(running).ever == Tally(0, 1, 0.0)
        eventually(lambda: told(running, "not wanted any more"))
    assert base.calls_to(LIST) == []


def test_who_is_not_its_holder_any_more_is_not_paid(base: BaseMarketplace) -> None:
    """The report did not come through, and the job was given to somebody else."""
    job_id = base.add_job(["true"])
    base.inject(f"{job_id}/complete", status(500), status(403))
    with provider(base.url) as running:
        assert delivered(running).ever == Tally(0, 1, 0.0)
    assert base.calls_to(LIST) == []
