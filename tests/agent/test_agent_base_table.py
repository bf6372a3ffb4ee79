"""Our provider against a server that knows only the base table of the protocol."""

from __future__ import annotations

import io
import tarfile

from agent.agent_parts import BOUND_S, SLEEPS, eventually, provider, reason_tells, told
from support.base_faults import Fault, status
from support.base_marketplace import BaseMarketplace, Job

OURS = {
    "wait_s",
    "isolation",
    "executors",
    "cpu_count",
    "memory_bytes",
    "free_slots",
    "lease_id",
    "jobs",
    "state",
}
BASE_QUERY = {
    "gpu_model",
    "gpu_vendor",
    "gpu_type",
    "compute_framework",
    "gpu_memory",
    "compute_capability",
    "max_concurrent_jobs",
}


def ended(base: BaseMarketplace, job_id: str) -> Job:
    return base.wait_for(job_id, "completed", "failed", timeout_s=BOUND_S)


def test_a_whole_job_with_urls(base: BaseMarketplace) -> None:
    script = (
        "import os; text = open(os.environ['INPUT_DIR'] + '/data.csv').read();"
        "open(os.environ['OUTPUT_DIR'] + '/upper.csv', 'w').write(text.upper()); print('done')"
    )
    job_id = base.add_job(
        ["python3", "-c", script],
        input_data_url=base.serve_input("data.csv", b"a,b"),
        output_upload_url=base.output_url("result"),
    )
    with provider(base.url) as running:
        job = ended(base, job_id)
        eventually(lambda: running.snapshot().completed == 1)
    (report,) = job.completed
    assert report["status"] == "completed"
    assert report["duration"] == report["execution_time"] > 0
    assert report["started_at"] <= report["completed_at"]
    assert report["output_data"]["stdout"] == "done\n"
    assert "lease_id" not in report
    with tarfile.open(fileobj=io.BytesIO(base.outputs["result"])) as archive:
        member = archive.extractfile("output/upper.csv")
        assert member is not None
        assert member.read() == b"A,B"
    (accepted,) = job.accepted
    assert set(accepted) == {"wallet_address"}
    assert accepted["wallet_address"] == running.snapshot().agent_id


def test_an_archive_is_unpacked(base: BaseMarketplace) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("inside/hello.py")
        member.size = len(b"print('hello')")
        archive.addfile(member, io.BytesIO(b"print('hello')"))
    url = base.serve_input("scripts.tar.gz", buffer.getvalue())
    job_id = base.add_job(["python", "/input/inside/hello.py"], input_data_url=url)
    with provider(base.url):
        assert ended(base, job_id).completed[0]["output_data"]["stdout"] == "hello\n"


def test_a_failed_job_is_reported(base: BaseMarketplace) -> None:
    job_id = base.add_job(["python", "-c", "import sys; sys.exit(3)"])
    with provider(base.url) as running:
        (report,) = ended(base, job_id).failed
        eventually(lambda: running.snapshot().failed == 1)
    assert (report["status"], report["error_type"]) == ("failed", "exited")
    assert report["error_message"] == "The job exited with code 3."
    assert report["started_at"] <= report["failed_at"]


def test_a_server_that_checks_no_keys(base: BaseMarketplace) -> None:
    base.check_keys = False
    with provider(base.url):
        assert ended(base, base.add_job(["true"])).completed


def test_a_wallet_is_named_when_there_is_one(base: BaseMarketplace) -> None:
    with provider(base.url, wallet_address="0xfeed"):
        job = ended(base, base.add_job(["true"]))
    assert job.accepted[0]["wallet_address"] == "0xfeed"
    assert [agent["wallet_address"] for agent in base.agents.values()] == ["0xfeed"]


def test_what_is_ours_is_no_longer_sent_once_it_is_refused(base: BaseMarketplace) -> None:
    base.inject("POST /api/jobs/available", status(422))
    base.inject("POST /api/agents/heartbeat", status(400))
    with provider(base.url):
        assert ended(base, base.add_job(["true"])).completed
        eventually(lambda: len(base.calls_to("/api/agents/heartbeat")) > 3)
        eventually(lambda: len(base.calls_to("/api/jobs/available")) > 3)
    first, *later = [call.json for call in base.calls_to("/api/jobs/available")]
    assert set(first) & OURS
    assert all(set(query) == BASE_QUERY for query in later)
    first_beat, *beats = [call.body for call in base.calls_to("/api/agents/heartbeat")]
    assert first_beat
    assert set(beats) == {b""}


def test_a_server_that_takes_no_details_gets_the_bare_report(base: BaseMarketplace) -> None:
    base.inject("/complete", status(422))
    with provider(base.url):
        job = ended(base, base.add_job(["true"]))
    assert set(job.completed[0]) == {"status", "started_at", "completed_at", "duration"}


def test_a_poll_that_answers_at_once_is_not_repeated_at_once(base: BaseMarketplace) -> None:
    with provider(base.url, poll_s=600.0) as running:
        eventually(lambda: reason_tells(running, "no job"))
        eventually(lambda: len(base.calls_to("/api/agents/heartbeat")) > 5)
        assert len(base.calls_to("/api/jobs/available")) == 1


def test_a_job_that_needs_a_container_is_not_taken(base: BaseMarketplace) -> None:
    job_id = base.add_job(["true"], environment={"REQUIRE_CONTAINER": "true"})
    with provider(base.url) as running:
        eventually(lambda: told(running, "container"))
        assert ended(base, base.add_job(["true"])).completed
        eventually(lambda: len(base.calls_to("/api/jobs/available")) > 5)
    assert base.jobs[job_id].status == "available"
    refusals = [entry for entry in running.events() if job_id in entry.text]
    assert len(refusals) == 1


def test_bad_jobs_hide_no_good_ones(base: BaseMarketplace) -> None:
    bad = [
        None,
        17,
        "a job",
        [],
        {},
        {"job_id": "no-command"},
        {"job_id": "../../etc/passwd", "command": ["true"]},
        {"job_id": "empty", "command": []},
        {"job_id": "text", "command": "true"},
        {"job_id": "negative", "command": ["true"], "timeout": -1},
        {"job_id": "endless", "command": ["true"], "timeout": float("inf")},
        {"job_id": "huge", "command": ["true"], "gpu_memory_required": 10**4400},
        {"job_id": "line", "command": ["true"], "environment": {"A": "b\nc"}},
        {"job_id": "nul", "command": ["tr\0ue"]},
        {"job_id": "surrogate", "command": ["\ud800"]},
        {"job_id": "long", "command": ["x" * (200 << 10)]},
    ]
    for number, wire in enumerate(bad):
        base.add_wire(f"bad-{number}", wire)
    good = base.add_job(["true"])
    with provider(base.url) as running:
        assert ended(base, good).completed
        eventually(lambda: told(running, "'long' was not taken: command: "))
        for name, field in [("negative", "timeout"), ("line", "environment.A"), ("nul", "command")]:
            assert told(running, f"Job '{name}' was not taken: {field}: ")
        assert told(running, "Job None was not taken: ")
    assert [job.status for job in base.jobs.values()].count("completed") == 1


def test_bytes_that_are_no_utf8_spoil_their_own_job_only(base: BaseMarketplace) -> None:
    bad = b'{"job_id": "bad", "command": ["\xff"]}'
    good = b'{"job_id": "good", "command": ["true"]}'
    base.add_wire("good", {"job_id": "good", "command": ["true"]})
    base.inject("/available", Fault(200, b'{"jobs": [%b, %b]}' % (bad, good)))
    with provider(base.url) as running:
        assert ended(base, "good").completed
        assert told(running, "'bad' was not taken: command: it is not valid UTF-8")


def test_unknown_fields_and_missing_ones(base: BaseMarketplace) -> None:
    base.add_wire("least", {"job_id": "least", "command": ["true"]})
    nulls = dict.fromkeys(
        ("environment", "timeout", "input_data_url", "output_upload_url", "reward", "docker_image")
    )
    base.add_wire("nulls", {"job_id": "nulls", "command": ["true"], **nulls})
    base.add_wire("more", {"job_id": "more", "command": ["true"], "colour": {"deep": [1]}})
    with provider(base.url):
        for job_id in ("least", "nulls", "more"):
            assert ended(base, job_id).completed


def test_a_list_of_thousands_is_borne(base: BaseMarketplace) -> None:
    for number in range(5000):
        base.add_wire(f"bad-{number}", {"job_id": f"bad-{number}", "command": []})
    with provider(base.url) as running:
        eventually(lambda: told(running, "was not taken"))
        running.pause()
        with base.lock:
            base.jobs.clear()
        running.resume()
        assert ended(base, base.add_job(["true"])).completed


def test_an_answer_beyond_all_bounds_is_refused(base: BaseMarketplace) -> None:
    base.inject("/available", Fault(200, b'{"jobs": ["' + b"x" * (9 << 20) + b'"]}'))
    with provider(base.url) as running:
        eventually(lambda: told(running, "answer is too large"))
        assert ended(base, base.add_job(["true"])).completed


def test_a_job_that_is_stopped_is_reported_as_lost(base: BaseMarketplace) -> None:
    job_id = base.add_job(SLEEPS)
    with provider(base.url) as running:
        eventually(lambda: "begun" in (running.logs(job_id) or ("",))[0])
    (report,) = ended(base, job_id).failed
    assert report["error_type"] == "lost"
    assert report["error_message"] == "The provider was stopped."
    assert running.snapshot().undelivered == 0


def test_a_job_that_somebody_else_has_taken(base: BaseMarketplace) -> None:
    taken = base.add_job(["true"])
    base.inject(f"/{taken}/accept", status(400))
    with provider(base.url) as running:
        eventually(lambda: told(running, f"'{taken}' was not taken: injected 400"))
        assert ended(base, taken).completed
        eventually(lambda: running.snapshot().completed == 1)
        eventually(lambda: running.snapshot().undelivered == 0)
