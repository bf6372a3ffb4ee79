"""A finished result survives a dead network, a dead provider and a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from agent.agent_parts import BOUND_S, eventually, provider, told
from support.base_faults import status
from support.base_marketplace import BaseMarketplace
from support.gates import WAITS, let_go

from node3nb import config
from node3nb.agent import outbox as post
from node3nb.agent.letter import Letter, from_json
from node3nb.agent.outbox import Outbox
from node3nb.jobs import ExitReason, JobResult, JobState

WRITES = "import os; open(os.environ['OUTPUT_DIR'] + '/out', 'w').write('kept')"
DONE = JobResult("job", JobState.COMPLETED, ExitReason.EXITED, exit_code=0, stdout="42\n")


def letter(name: str = "job-12345678", **fields: str) -> Letter:
    given = {
        "marketplace_url": "http://127.0.0.1:9",
        "agent": "me",
        "job_id": "job",
        "lease_id": "lease",
        "output_url": "",
        "ended_at": "2026-01-01T00:00:00+00:00",
    }
    return Letter(name=name, result=DONE, **{**given, **fields})


def killed_with_a_result(base: BaseMarketplace) -> str:
    """Return a job that a provider ran and could not report before it was killed."""
    base.inject("PUT /outputs/kept", *[status(500)] * 1000)
    job_id = base.add_job(["python", "-c", WRITES], output_upload_url=base.output_url("kept"))
    command = [sys.executable, "-m", "node3nb", "provide", "--marketplace", base.url]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        try:
            eventually(lambda: base.calls_to("PUT /outputs/kept"))
        finally:
            running.send_signal(signal.SIGKILL)
    assert base.jobs[job_id].status == "accepted"
    base.clear_faults()
    return job_id


def test_the_next_provider_delivers_what_a_killed_one_left(base: BaseMarketplace) -> None:
    job_id = killed_with_a_result(base)
    with provider(base.url) as running:
        job = base.wait_for(job_id, "completed", timeout_s=BOUND_S)
        eventually(lambda: running.snapshot().undelivered == 0)
    assert len(job.completed) == 1
    assert base.outputs["kept"]
    assert list(config.outbox_dir().iterdir()) == []


def test_another_agent_does_not_deliver_it(base: BaseMarketplace) -> None:
    """The marketplace would refuse it, and the result would be dropped."""
    job_id = killed_with_a_result(base)
    with provider(base.url, "another-key") as running:
        eventually(lambda: told(running, "does not accept the API key"))
        assert running.snapshot().undelivered == 1
    assert base.jobs[job_id].status == "accepted"
    assert not base.calls_to("/complete")
    with provider(base.url):
        assert base.wait_for(job_id, "completed", timeout_s=BOUND_S)


def test_a_stop_does_not_wait_for_an_upload(base: BaseMarketplace) -> None:
    base.inject("PUT /outputs/kept", *[status(500)] * 1000)
    job_id = base.add_job(["python", "-c", WRITES], output_upload_url=base.output_url("kept"))
    with provider(base.url) as running:
        eventually(lambda: base.calls_to("PUT /outputs/kept"))
    assert running.snapshot().undelivered == 1
    base.clear_faults()
    with provider(base.url):
        assert base.wait_for(job_id, "completed", timeout_s=BOUND_S)


def test_a_job_whose_result_waits_is_not_taken_again(base: BaseMarketplace) -> None:
    job_id = base.add_job(["true"])
    base.inject(f"{job_id}/complete", *[status(500)] * 1000)
    with provider(base.url) as running:
        eventually(lambda: told(running, "waits"))
        with base.lock:
            base.jobs[job_id].status = "available"
        eventually(lambda: told(running, "Its result from here waits to be delivered."))
        assert len(base.jobs[job_id].accepted) == 1


def test_a_disk_that_takes_no_result_fails_the_job(base: BaseMarketplace) -> None:
    """A file in the outbox's place refuses every letter, as a full disk does."""
    output_url = base.output_url("out")
    command = ["python", "-c", WAITS + WRITES]
    job_id = base.add_job(command, output_upload_url=output_url)
    with provider(base.url) as running:
        eventually(lambda: "begun" in (running.logs(job_id) or ("",))[0])
        outbox = config.outbox_dir()
        outbox.rmdir()
        outbox.write_bytes(b"")
        let_go()
        job = base.wait_for(job_id, "completed", "failed", timeout_s=BOUND_S)
        eventually(lambda: running.snapshot().failed == 1)
        outbox.unlink()
        outbox.mkdir()
        assert base.wait_for(base.add_job(["true"]), "completed", timeout_s=BOUND_S)
        assert told(running, "could not keep the job's result")
    (report,) = job.failed
    assert report["error_type"] == "internal"
    assert "could not keep the job's result" in report["error_message"]
    assert "out" not in base.outputs


def test_two_managers_of_one_owner_deliver_a_letter_once() -> None:
    first, second = Outbox(config.outbox_dir()), Outbox(config.outbox_dir())
    first.put(letter(), None)
    assert not second.claim(letter())
    first.release(letter())
    assert second.claim(letter())
    assert not first.claim(letter())
    second.remove(letter())
    second.release(letter())
    assert not first.claim(letter())
    assert first.count() == 0


def test_letters_come_back_as_they_went(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    archive = tmp_path / "archive"
    archive.write_bytes(b"outputs")
    outbox.put(letter(output_url="http://127.0.0.1:9/out"), archive)
    assert not archive.exists()
    again = Outbox(tmp_path / "outbox")
    (found,) = again.letters("http://127.0.0.1:9", "me")
    assert found == letter(output_url="http://127.0.0.1:9/out")
    assert again.archive(found).read_bytes() == b"outputs"
    assert again.letters("http://127.0.0.1:9", "you") == []
    assert again.letters("http://127.0.0.1:10", "me") == []
    assert again.holds("job")
    assert not again.holds("jo")
    assert again.uploaded(found).output_url == ""
    assert again.letters("http://127.0.0.1:9", "me")[0].output_url == ""


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"name": 1}', '{"name": "x"}'])
def test_what_is_no_letter_is_left_alone(tmp_path: Path, text: str) -> None:
    outbox = Outbox(tmp_path)
    (tmp_path / "odd-12345678").mkdir()
    (tmp_path / "odd-12345678" / "result.json").write_text(text)
    (tmp_path / "file").write_text("no directory")
    assert outbox.letters("http://127.0.0.1:9", "me") == []
    assert from_json(text) is None


def test_half_a_letter_is_swept_and_one_in_the_making_is_not(tmp_path: Path) -> None:
    making = Outbox(tmp_path)
    half, made = tmp_path / ".half-12345678", tmp_path / ".made-12345678"
    for part in (half, made):
        part.mkdir()
    assert making._claims.take("made-12345678", made)
    Outbox(tmp_path)
    assert not half.exists()
    assert made.exists()
    making.release(letter("made-12345678"))


def test_letters_of_last_year_are_dropped(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    for name in ("old-12345678", "new-12345678"):
        outbox.put(letter(name), None)
        outbox.release(letter(name))
    long_ago = time.time() - post.KEPT_S - 1
    os.utime(tmp_path / "old-12345678", (long_ago, long_ago))
    assert outbox.drop_old() == 1
    assert [path.name for path in tmp_path.iterdir()] == ["new-12345678"]
