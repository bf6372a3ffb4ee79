"""A finished result survives a dead network, a dead provider and a full disk."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from agent.agent_parts import BOUND_S, eventually, provider, told
from hypothesis import given, settings
from hypothesis import strategies as st
from support.base_faults import status
from support.base_marketplace import BaseMarketplace
from support.gates import WAITS, let_go

from node3nb import config
from node3nb.agent.letter import Envelope, Letter, LetterDamaged, LetterFromLater, read_letter
from node3nb.agent.outbox import Outbox
from node3nb.agent.undelivered import Waiting, undelivered
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


def left() -> list[str]:
    return sorted(path.name for path in config.outbox_dir().iterdir())


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
        outbox.rename(outbox.with_name("away"))
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


URL = "http://127.0.0.1:9"


def kept(box: Outbox, name: str = "job-12345678") -> Letter:
    box.put(letter(name), None)
    box.release(name)
    return letter(name)


def test_two_managers_of_one_owner_deliver_a_letter_once() -> None:
    first, second = Outbox(config.outbox_dir()), Outbox(config.outbox_dir())
    first.put(letter(), None)
    assert not second.claim("job-12345678")
    first.release("job-12345678")
    assert second.claim("job-12345678")
    assert not first.claim("job-12345678")
    second.remove("job-12345678")
    second.release("job-12345678")
    assert not first.claim("job-12345678")
    assert first.count() == 0


def test_letters_come_back_as_they_went(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    archive = tmp_path / "archive"
    archive.write_bytes(b"outputs")
    sent = letter(output_url="http://127.0.0.1:9/out", output_sha256="0" * 64)
    outbox.put(sent, archive)
    assert not archive.exists()
    again = Outbox(tmp_path / "outbox")
    (found,) = again.envelopes(URL, "me")
    assert again.read(found.name) == sent
    assert again.archive(found.name).read_bytes() == b"outputs"
    assert again.envelopes(URL, "you") == []
    assert again.envelopes("http://127.0.0.1:10", "me") == []
    assert again.holds("job")
    assert not again.holds("jo")
    again.uploaded(found.name)
    assert again.archive(found.name) is None
    assert again.read(found.name) == sent


WHOLE = letter().to_bytes()
LATER = WHOLE.replace(b'"version": 1', b'"version": 2')


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]\n", b"{}\n", b"null\n\n", bytes(4096), WHOLE[:-1], WHOLE[: len(WHOLE) // 2]],
)
def test_what_is_no_letter_is_none(text: bytes) -> None:
    with pytest.raises(LetterDamaged):
        read_letter(text)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_letter_with_any_damage_is_none_or_one(data: st.DataObject) -> None:
    """Whatever the disk has made of it, reading ends in a letter or in an error of ours."""
    at = data.draw(st.integers(0, len(WHOLE)))
    damage = data.draw(st.binary(max_size=40))
    with contextlib.suppress(LetterDamaged, LetterFromLater):
        read_letter(WHOLE[:at] + damage + WHOLE[at + len(damage) :])


def test_a_letter_of_a_later_version_is_known_as_one() -> None:
    with pytest.raises(LetterFromLater):
        read_letter(LATER)


def test_what_is_no_letter_blocks_no_other(base: BaseMarketplace) -> None:
    with provider(base.url) as running:
        eventually(lambda: running.snapshot().agent_id)
    job_id = killed_with_a_result(base)
    for name, text in (("odd-12345678", WHOLE[:40]), ("new-12345678", LATER)):
        place = config.outbox_dir() / name
        place.mkdir()
        (place / "result.json").write_bytes(text)
    with provider(base.url) as running:
        assert base.wait_for(job_id, "completed", timeout_s=BOUND_S)
        eventually(lambda: told(running, "The kept result odd-12345678 can't be read"))
        eventually(lambda: told(running, "A later version of node3nb wrote the letter"))
        eventually(lambda: left() == [".aside", "new-12345678"])
    assert (config.outbox_dir() / ".aside" / "odd-12345678").exists()
    assert undelivered(config.outbox_dir()) == {"": Waiting(2, 40 + len(LATER))}


def test_what_waits_is_told_by_its_marketplace(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    size = len(kept(outbox).to_bytes()) + len(kept(outbox, "job-23456789").to_bytes())
    assert undelivered(tmp_path) == {URL: Waiting(2, size)}


def test_a_damaged_result_is_given_back(base: BaseMarketplace) -> None:
    job_id = killed_with_a_result(base)
    (place,) = config.outbox_dir().iterdir()
    content = (place / "result.json").read_bytes()
    (place / "result.json").write_bytes(content[: content.index(b"\n") + 100])
    with provider(base.url):
        (report,) = base.wait_for(job_id, "failed", timeout_s=BOUND_S).failed
        eventually(lambda: left() == [".aside"])
    assert report["error_type"] == "lost"


def test_outputs_that_the_disk_has_changed_are_not_sent(base: BaseMarketplace) -> None:
    job_id = killed_with_a_result(base)
    (archive,) = config.outbox_dir().glob("*/outputs.tar.gz")
    archive.write_bytes(bytes(archive.stat().st_size))
    with provider(base.url):
        (report,) = base.wait_for(job_id, "failed", timeout_s=BOUND_S).failed
    assert report["error_type"] == "internal"
    assert "kept" not in base.outputs


def test_half_a_letter_is_swept_and_one_in_the_making_is_not(tmp_path: Path) -> None:
    making = Outbox(tmp_path)
    half, made = tmp_path / ".half-12345678", tmp_path / ".made-12345678"
    for part in (half, made):
        part.mkdir()
    assert making._claims.take("made-12345678", made)
    Outbox(tmp_path)
    assert not half.exists()
    assert made.exists()
    making.close()


def test_thousands_of_letters_are_told_by_their_envelopes(tmp_path: Path) -> None:
    """Their results are as large as they may be, and no list of them stands in memory."""
    box = Outbox(tmp_path)
    long = replace(DONE, stdout="x" * 64 * 1024, stderr="y" * 64 * 1024)
    full = replace(letter(), result=long).to_bytes()
    for number in range(3000):
        place = tmp_path / f"job-{number:08d}"
        place.mkdir()
        named = full if number % 100 == 0 else WHOLE
        (place / "result.json").write_bytes(named.replace(b"job-12345678", place.name.encode()))
    tracemalloc.start()
    try:
        found = box.envelopes(URL, "me")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == box.count() == 3000
    assert peak < 3000 * 2048
    assert isinstance(found[0], Envelope)


def test_a_child_that_was_forked_holds_nothing(tmp_path: Path) -> None:
    """A cell's child may outlive its kernel; what that held has to be free all the same."""
    box, other = Outbox(tmp_path), Outbox(tmp_path)
    box.put(letter(), None)
    context = multiprocessing.get_context("fork")
    begun, over = context.Event(), context.Event()

    def live() -> None:
        begun.set()
        over.wait(BOUND_S)

    child = context.Process(target=live)
    child.start()
    try:
        assert begun.wait(BOUND_S)
        box.release("job-12345678")
        assert other.claim("job-12345678")
    finally:
        over.set()
        child.join()
