"""The workspace of a failed job is there for its provider's owner to look into, for a while."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from agent.agent_parts import BOUND_S, eventually, provider, told
from support.base_marketplace import BaseMarketplace

from node3nb import config
from node3nb.agent import kept
from node3nb.notebook.provider_job import ProviderJob

FAILS = ["python", "-c", "open('trace', 'w').write('why'); raise SystemExit(3)"]
LONG_S = 3600.0


def places() -> list[Path]:
    return list(config.work_dir().glob("provider-*/*"))


def failed(base: BaseMarketplace) -> str:
    job_id = base.add_job(FAILS)
    base.wait_for(job_id, "failed", timeout_s=BOUND_S)
    return job_id


def test_nothing_is_kept_unless_it_is_asked_for(base: BaseMarketplace) -> None:
    with provider(base.url):
        failed(base)
        eventually(lambda: places() == [])


def test_a_failed_job_can_be_looked_into_until_the_stop(base: BaseMarketplace) -> None:
    with provider(base.url, keep_s=LONG_S) as running:
        job_id = failed(base)
        eventually(lambda: running.snapshot().jobs[0].state == "failed")
        (job,) = running.snapshot().jobs
        (place,) = places()
        assert job.kept == str(place)
        assert (place / "job" / "trace").read_text() == "why"
        assert told(running, str(place))
        assert str(place) in repr(ProviderJob(running, job_id))
        base.wait_for(base.add_job(["true"]), "completed", timeout_s=BOUND_S)
        eventually(lambda: places() == [place])
    assert list(config.work_dir().iterdir()) == []


def test_it_goes_when_its_time_is_over(base: BaseMarketplace) -> None:
    with provider(base.url, keep_s=0.2) as running:
        failed(base)
        eventually(lambda: told(running, "its workspace is kept"))
        eventually(lambda: places() == [])
        eventually(lambda: not running.snapshot().jobs[0].kept)


def test_the_oldest_go_when_there_are_many(
    base: BaseMarketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST", 2)
    with provider(base.url, keep_s=LONG_S, max_concurrent_jobs=1) as running:
        first, *others = [failed(base) for _ in range(3)]
        eventually(lambda: len(running.snapshot().jobs) == 3 and len(places()) == 2)
        jobs = {job.job_id: job.kept for job in running.snapshot().jobs}
    assert jobs[first] == ""
    assert all(jobs[each] for each in others)


def test_what_is_too_large_is_not_kept(
    base: BaseMarketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", 1)
    with provider(base.url, keep_s=LONG_S) as running:
        failed(base)
        eventually(lambda: told(running, "too large to be kept"))
        eventually(lambda: places() == [])


def test_it_goes_before_a_job_is_refused_for_want_of_room(
    base: BaseMarketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full as long as anything is kept."""
    monkeypatch.setattr(
        "node3nb.agent.room.shortage",
        lambda *_: "The disk is full." if any(".kept" in str(each) for each in places()) else "",
    )
    with provider(base.url, keep_s=LONG_S) as running:
        failed(base)
        base.wait_for(base.add_job(["true"]), "completed", timeout_s=BOUND_S)
        eventually(lambda: places() == [])
        assert running.snapshot().jobs[-1].kept == ""


def test_the_next_start_removes_what_a_killed_provider_has_kept(base: BaseMarketplace) -> None:
    command = [sys.executable, "-m", "node3nb", "provide", "--marketplace", base.url]
    with subprocess.Popen([*command, "--keep-failed", "1h"], stderr=subprocess.DEVNULL) as running:
        try:
            failed(base)
            eventually(lambda: [place.suffix for place in places()] == [".kept"])
        finally:
            running.send_signal(signal.SIGKILL)
    with provider(base.url):
        eventually(lambda: places() == [])
