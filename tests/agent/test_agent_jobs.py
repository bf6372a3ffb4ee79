"""Jobs from submission to result, through one of our marketplaces."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from agent.agent_parts import SLEEPS, Market, eventually, provider, told
from support.gates import WAITS, let_go

from node3nb.jobs import ExitReason, Isolation, JobState
from node3nb.marketplace.client import consumer

COUNTS = """
import os, pathlib
text = (pathlib.Path(os.environ["INPUT_DIR"]) / "words.txt").read_text()
(pathlib.Path(os.environ["OUTPUT_DIR"]) / "count.txt").write_text(str(len(text.split())))
print("counted", os.environ["JOB_ID"])
"""
EATS = "blocks = []\nwhile True: blocks.append(bytearray(8 << 20))"


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{name}.txt")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_a_job_with_input_and_outputs(market: Market, tmp_path: Path) -> None:
    packed = tmp_path / "input.tar.gz"
    packed.write_bytes(archive(words=b"one two three"))
    job = {
        "command": ["python", "count.py"],
        "files": {"count.py": COUNTS},
        "awaits_input": True,
        "input_sha256": hashlib.sha256(packed.read_bytes()).hexdigest(),
        "reward": 2.5,
    }
    with provider(market.url) as running:
        job_id = consumer.submit(market.client, job, packed)
        result = market.result(job_id)
        eventually(lambda: running.snapshot().completed == 1)
        assert running.snapshot().earned == pytest.approx(2.5)
        assert running.snapshot().undelivered == 0
        assert running.logs(job_id) == (f"counted {job_id}\n", "")
        assert running.result(job_id) == result
    assert (result.state, result.reason, result.exit_code) == ("completed", "exited", 0)
    assert result.executor == "native"
    assert result.isolation in set(Isolation)
    (output,) = result.outputs
    assert (output.path, output.sha256) == ("count.txt", hashlib.sha256(b"3").hexdigest())
    consumer.fetch_outputs(market.client, job_id, tmp_path / "outputs")
    assert (tmp_path / "outputs" / "count.txt").read_text() == "3"


def test_several_jobs_run_at_once(market: Market) -> None:
    with provider(market.url, max_concurrent_jobs=3) as running:
        ids = [market.submit(["python", "-c", WAITS]) for _ in range(3)]
        for job_id in ids:
            market.until_begun(running, job_id)
        let_go()
        assert [market.result(job_id).state for job_id in ids] == ["completed"] * 3


def test_no_more_run_than_there_are_slots(market: Market) -> None:
    with provider(market.url, max_concurrent_jobs=1) as running:
        first = market.submit(SLEEPS)
        market.until_begun(running, first)
        second = market.submit(["true"])
        assert [job.job_id for job in running.snapshot().jobs] == [first]
        assert market.client.job(second).status == "available"
        running.cancel(first)
        assert market.result(second).ok


@pytest.mark.parametrize(
    ("job", "reason", "exit_code"),
    [
        ({"command": ["python", "-c", "import sys; sys.exit(7)"]}, ExitReason.EXITED, 7),
        ({"command": ["no-such-program"]}, ExitReason.EXITED, 127),
        ({"command": ["python", "missing.py"]}, ExitReason.EXITED, 127),
        ({"command": SLEEPS, "timeout": 0.5}, ExitReason.TIMED_OUT, None),
        (
            {"command": ["python", "-c", EATS], "requirements": {"memory_bytes": 128 << 20}},
            ExitReason.OUT_OF_MEMORY,
            None,
        ),
        (
            {"command": ["python", "-c", "import os; os.kill(os.getpid(), 9)"]},
            ExitReason.SIGNALED,
            None,
        ),
    ],
    ids=["exit code", "no program", "no script", "timeout", "memory", "signal"],
)
def test_a_job_that_fails_says_how(
    market: Market, job: dict[str, object], reason: ExitReason, exit_code: int | None
) -> None:
    with provider(market.url) as running:
        job_id = consumer.submit(market.client, job)
        view = market.wait(job_id)
        eventually(lambda: running.snapshot().failed == 1)
    assert (view.status, view.error_type, view.attempts) == ("failed", reason, 1)
    assert view.error_message
    result = consumer.result_of(view)
    assert result.reason is reason
    if exit_code is not None:
        assert result.exit_code == exit_code


def test_outputs_of_a_job_that_fails_are_kept(market: Market, tmp_path: Path) -> None:
    script = (
        "import os, sys; open(os.environ['OUTPUT_DIR'] + '/half', 'w').write('so far'); sys.exit(3)"
    )
    with provider(market.url):
        job_id = market.submit(["python", "-c", script])
        assert market.result(job_id).state is JobState.FAILED
    consumer.fetch_outputs(market.client, job_id, tmp_path / "outputs")
    assert (tmp_path / "outputs" / "half").read_text() == "so far"


def test_more_outputs_than_a_report_can_list_are_delivered(market: Market, tmp_path: Path) -> None:
    script = (
        "import os\n"
        "for number in range(5000):\n"
        "    open(os.environ['OUTPUT_DIR'] + f'/{number:0>100}', 'w').close()\n"
    )
    with provider(market.url):
        job_id = market.submit(["python", "-c", script])
        result = market.result(job_id)
    assert result.state is JobState.COMPLETED
    assert 0 < len(result.outputs) < 5000
    assert "outputs are not listed here" in result.message
    consumer.fetch_outputs(market.client, job_id, tmp_path / "outputs")
    assert len(list((tmp_path / "outputs").iterdir())) == 5000


def test_a_flood_of_odd_characters_is_delivered(market: Market) -> None:
    script = (
        "import sys\n"
        "for stream in (sys.stdout, sys.stderr): stream.buffer.write(bytes(range(256)) * 9000)\n"
    )
    with provider(market.url):
        result = market.result(market.submit(["python", "-c", script]))
    assert result.state is JobState.COMPLETED
    assert result.stdout_truncated


def test_a_submitter_calls_a_running_job_off(market: Market) -> None:
    with provider(market.url) as running:
        job_id = market.submit(SLEEPS)
        market.until_begun(running, job_id)
        market.client.cancel(job_id)
        eventually(lambda: running.result(job_id) is not None)
        assert running.result(job_id).reason is ExitReason.CANCELLED
        assert market.wait(job_id).status == "cancelled"
        assert market.result(market.submit(["true"])).ok


def test_the_owner_cancels_a_job_and_does_not_get_it_again(market: Market) -> None:
    with provider(market.url) as running:
        job_id = market.submit(SLEEPS)
        market.until_begun(running, job_id)
        assert running.cancel(job_id)
        eventually(lambda: told(running, "You cancelled it here."))
        assert market.client.job(job_id).status == "available"
        assert not running.cancel(job_id)
        assert not running.cancel("no-such-job")


def test_a_job_for_a_container_stays_for_who_has_one(market: Market) -> None:
    with provider(market.url) as running:
        asked = {"REQUIRE_CONTAINER": "true"}
        job_id = market.submit(["true"], environment=asked)
        assert market.result(market.submit(["true"])).ok
        assert market.client.job(job_id).status == "available"
        assert len(running.snapshot().jobs) == 1
