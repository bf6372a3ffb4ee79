"""A provider that is killed while a job runs: the next one of the same owner gives the job back."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent.agent_parts import BOUND_S, SLEEPS, Market, eventually, provider, told
from support.base_faults import TRUNCATED, Fault, status
from support.base_marketplace import BaseMarketplace

from node3nb import config
from node3nb.agent import delivery
from node3nb.agent.letter import Envelope
from node3nb.agent.outbox import Outbox
from node3nb.agent.places import ROOM_BYTES


@contextlib.contextmanager
def provided(url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a provider as a process of its own, which is dead after the block."""
    command = [sys.executable, "-m", "node3nb", "provide", "--marketplace", url]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        try:
            yield running
        finally:
            running.kill()


def begun() -> bool:
    """Whether a job of SLEEPS runs somewhere here."""
    logs = config.work_dir().glob("provider-*/*/log/stdout")
    return any("begun" in log.read_text() for log in logs)


def places() -> list[Path]:
    return list(config.outbox_dir().iterdir())


def test_a_base_marketplace_hears_that_the_job_was_lost(base: BaseMarketplace) -> None:
    """It knows no leases: a job that is never reported would be held for ever."""
    job_id = base.add_job(SLEEPS)
    with provided(base.url):
        eventually(begun)
    assert base.jobs[job_id].status == "accepted"
    with provider(base.url) as running:
        (report,) = base.wait_for(job_id, "failed", timeout_s=BOUND_S).failed
        eventually(lambda: told(running, f"Job {job_id} was given back"))
        assert running.snapshot().failed == 0
    assert report["error_type"] == "lost"
    assert places() == []


def test_our_marketplace_gets_the_job_back_at_once(market: Market) -> None:
    """Long before the lease ends; and the attempt does not count."""
    job_id = market.submit(SLEEPS)
    with provided(market.url):
        eventually(begun)
    with provider(market.url) as running:
        eventually(lambda: told(running, f"Job {job_id} was given back"))
        market.until(job_id, "running")
        view = market.client.job(job_id)
        assert view.attempts == 1
        assert "released" in [each["event"] for each in view.history]
        market.client.cancel(job_id)
    assert places() == []


def test_a_hung_provider_keeps_its_job_and_what_waits_is_delivered(
    base: BaseMarketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs in the middle of a report, with the letter in its hands."""
    monkeypatch.setattr(delivery, "HUNG_S", 1.0)
    done, runs = base.add_job(["true"]), base.add_job(SLEEPS)
    base.inject(f"{done}/complete", Fault(status=500, delay_s=600))
    with provided(base.url) as hung:
        eventually(begun)
        eventually(lambda: base.calls_to(f"{done}/complete"))
        hung.send_signal(signal.SIGSTOP)
        with provider(base.url):
            assert base.wait_for(done, "completed", timeout_s=BOUND_S)
        assert base.jobs[runs].status == "accepted"
        hung.send_signal(signal.SIGCONT)
    with provider(base.url):
        assert base.wait_for(runs, "failed", timeout_s=BOUND_S)


def test_a_killed_provider_that_never_heard_whether_it_has_the_job(base: BaseMarketplace) -> None:
    job_id = base.add_job(SLEEPS)
    base.inject(f"{job_id}/accept", TRUNCATED, *[status(500)] * 1000)
    base.inject(f"{job_id}/fail", *[status(500)] * 1000)
    with provided(base.url):
        base.wait_for(job_id, "accepted", timeout_s=BOUND_S)
    base.clear_faults()
    with provider(base.url):
        (report,) = base.wait_for(job_id, "failed", timeout_s=BOUND_S).failed
    assert report["error_type"] == "lost"


def test_a_job_that_could_not_be_given_back_is_given_back_later(base: BaseMarketplace) -> None:
    job_id = base.add_job(SLEEPS)
    with provider(base.url) as running:
        eventually(lambda: "begun" in (running.logs(job_id) or ("",))[0])
        base.inject(f"{job_id}/fail", *[status(500)] * 1000)
    assert base.jobs[job_id].status == "accepted"
    base.clear_faults()
    with provider(base.url):
        assert base.wait_for(job_id, "failed", timeout_s=BOUND_S)
        eventually(lambda: places() == [])


HELD = Envelope("job-12345678", "http://127.0.0.1:9", "me", "job")


def test_a_place_has_room_for_the_result(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    box.hold(HELD)
    (room,) = tmp_path.glob(".job-12345678/room")
    assert room.stat().st_blocks * 512 >= ROOM_BYTES
    assert box.count() == 0
    assert list(Outbox(tmp_path).orphans(HELD.marketplace_url, "me")) == []
    box.forget(HELD.name)
    assert list(tmp_path.iterdir()) == []


def test_orphans_are_for_their_own_agent(tmp_path: Path) -> None:
    box, other = Outbox(tmp_path), Outbox(tmp_path)
    box.hold(HELD)
    box.leave(HELD.name)
    assert list(other.orphans(HELD.marketplace_url, "you")) == []
    assert list(other.orphans("http://127.0.0.1:10", "me")) == []
    assert list(other.orphans(HELD.marketplace_url, "me")) == [HELD]
    assert list(box.orphans(HELD.marketplace_url, "me")) == []


@pytest.mark.parametrize("torn", [b"", b"\0" * 300, b'{"name": "job-12345678"', b"{}\n"])
def test_a_torn_note_is_read_as_far_as_it_goes(tmp_path: Path, torn: bytes) -> None:
    box = Outbox(tmp_path)
    box.hold(HELD)
    with (tmp_path / ".job-12345678" / "held").open("ab") as note:
        note.write(torn)
    box.close()
    assert list(Outbox(tmp_path).orphans(HELD.marketplace_url, "me")) == [HELD]
