"""A marketplace that is down, slow, strict, broken or replaced by something else."""

from __future__ import annotations

import time
from typing import Any

import pytest
from agent.agent_parts import BOUND_S, SLEEPS, Market, eventually, provider, reason_tells, told
from support import base_faults
from support.base_faults import Fault, status
from support.base_marketplace import BaseMarketplace, Job
from support.gates import WAITS, let_go
from support.lossy_network import lossy

from node3nb.agent.settings import Settings
from node3nb.errors import ConfigError
from node3nb.job_manager import JobManager
from node3nb.jobs import Isolation
from node3nb.provider import Provider

POLL = "POST /api/jobs/available"
#: What goes wrong with a poll, and what the owner reads of it.
FAULTS = {
    "401": (status(401), "does not accept the API key"),
    "403": (status(403), "does not accept the API key"),
    "404": (status(404), "injected 404"),
    "429": (status(429, "1"), "is busy"),
    "500": (status(500), "answered 500: injected 500; try again later"),
    "503": (status(503, "1"), "is busy"),
    "invalid JSON": (base_faults.INVALID_JSON, "something other than JSON"),
    "no object": (Fault(200, b"[]"), "not its protocol"),
    "no list": (Fault(200, b'{"jobs": {}}'), "jobs: "),
    "HTML": (base_faults.HTML, "something other than JSON"),
    "HTML 404": (Fault(404, b"<html>", "text/html"), "does not offer this call"),
    "redirect": (Fault(302, b"{}"), "answered 302"),
    "truncated": (base_faults.TRUNCATED, "can't be reached"),
}


def ended(base: BaseMarketplace, job_id: str) -> Job:
    return base.wait_for(job_id, "completed", "failed", timeout_s=BOUND_S)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_told_and_lived_through(base: BaseMarketplace, kind: str) -> None:
    fault, words = FAULTS[kind]
    base.inject(POLL, fault)
    with provider(base.url) as running:
        eventually(lambda: told(running, words))
        assert any(entry.trouble for entry in running.events())
        assert ended(base, base.add_job(["true"])).completed


def test_the_reason_stands_as_long_as_the_fault(base: BaseMarketplace) -> None:
    base.inject(POLL, *[status(500)] * 1000)
    with provider(base.url) as running:
        eventually(lambda: reason_tells(running, "answered 500"))
        polls = len(base.calls_to(POLL))
        beats = len(base.calls_to("heartbeat"))
        eventually(lambda: len(base.calls_to("heartbeat")) > beats + 5)
        assert len(base.calls_to(POLL)) <= polls + 2
        told_once = [entry for entry in running.events() if "answered 500" in entry.text]
        assert len(told_once) == 1


def test_a_marketplace_that_is_down_at_the_start(base: BaseMarketplace) -> None:
    base.stop()
    with provider(base.url) as running:
        eventually(lambda: reason_tells(running, "can't be reached; check its URL"))
        base.start()
        assert ended(base, base.add_job(["true"])).completed


def test_a_slow_marketplace(base: BaseMarketplace) -> None:
    for call in ("register", "available", "accept", "complete"):
        base.inject(call, base_faults.slow(0.5))
    with provider(base.url):
        assert ended(base, base.add_job(["true"])).completed


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_obeyed(base: BaseMarketplace, code: int) -> None:
    base.inject(POLL, status(code, retry_after="2"))
    with provider(base.url):
        eventually(lambda: base.calls_to(POLL))
        began = time.monotonic()
        eventually(lambda: len(base.calls_to(POLL)) > 1)
        assert time.monotonic() - began > 1.5


@pytest.mark.parametrize("asked", ["nan", "-7", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_an_odd_retry_after_does_no_harm(base: BaseMarketplace, asked: str) -> None:
    base.inject(POLL, status(429, retry_after=asked))
    with provider(base.url) as running:
        eventually(lambda: told(running, "it is asked again in "))
        assert running.running


def test_a_result_waits_for_a_marketplace_that_is_down(base: BaseMarketplace) -> None:
    job_id = base.add_job(["python", "-c", WAITS])
    with provider(base.url) as running:
        eventually(lambda: "begun" in (running.logs(job_id) or ("",))[0])
        base.stop()
        let_go()
        eventually(lambda: running.snapshot().undelivered == 1)
        eventually(lambda: told(running, f"The result of job {job_id} waits"))
        assert running.snapshot().completed == 0
        base.start()
        assert ended(base, job_id).completed
        eventually(lambda: running.snapshot().completed == 1)
        assert running.snapshot().undelivered == 0


def test_an_answer_to_an_acceptance_that_is_lost_loses_no_job(market: Market) -> None:
    """Behind a network that swallows the answer, our marketplace gives the same lease again."""
    with lossy(market.url) as network:
        network.swallow(r"/accept", 1)
        with provider(network.url) as running:
            job_id = market.submit(["true"])
            view = market.wait(job_id)
            assert (view.status, view.attempts) == ("completed", 1)
            eventually(lambda: running.snapshot().completed == 1)


def test_a_base_marketplace_hears_that_its_job_may_be_lost(base: BaseMarketplace) -> None:
    job_id = base.add_job(["true"])
    base.inject(f"{job_id}/accept", base_faults.TRUNCATED)
    with provider(base.url) as running:
        (report,) = ended(base, job_id).failed
        assert report["error_type"] == "lost"
        assert ended(base, base.add_job(["true"])).completed
        eventually(lambda: running.snapshot().undelivered == 0)


def test_a_report_whose_answer_is_lost_is_made_again(base: BaseMarketplace) -> None:
    job_id = base.add_job(["true"])
    base.inject(f"{job_id}/complete", base_faults.TRUNCATED)
    with provider(base.url) as running:
        assert ended(base, job_id).completed
        eventually(lambda: running.snapshot().undelivered == 0)
        assert len(base.jobs[job_id].completed) == 1


@pytest.mark.parametrize("fault", [status(500), status(429, "1"), base_faults.HTML])
def test_a_report_that_is_not_taken_is_made_again(base: BaseMarketplace, fault: Fault) -> None:
    job_id = base.add_job(["true"])
    base.inject(f"{job_id}/complete", fault)
    with provider(base.url) as running:
        assert ended(base, job_id).completed
        eventually(lambda: running.snapshot().completed == 1)
        assert running.snapshot().undelivered == 0


def test_a_proxy_that_has_lost_its_marketplace_drops_no_result(base: BaseMarketplace) -> None:
    job_id = base.add_job(["true"])
    base.inject(f"{job_id}/complete", Fault(404, b"<html>Not Found</html>", "text/html"))
    with provider(base.url):
        assert ended(base, job_id).completed


def test_a_result_nobody_wants_is_dropped(base: BaseMarketplace) -> None:
    job_id = base.add_job(["true"])
    base.inject(f"{job_id}/complete", status(403))
    with provider(base.url) as running:
        eventually(lambda: told(running, "is not wanted any more"))
        eventually(lambda: running.snapshot().undelivered == 0)
        assert running.snapshot().earned == 0
        assert ended(base, base.add_job(["true"])).completed


def test_an_upload_comes_before_the_report(base: BaseMarketplace) -> None:
    script = "import os; open(os.environ['OUTPUT_DIR'] + '/x', 'w').write('y')"
    job_id = base.add_job(["python", "-c", script], output_upload_url=base.output_url("out"))
    base.inject("PUT /outputs/out", *[status(500)] * 2, base_faults.TRUNCATED)
    with provider(base.url):
        assert ended(base, job_id).completed
    paths = [call.path for call in base.calls if call.path.endswith(("/out", "/complete"))]
    assert paths.count("/outputs/out") >= 3
    assert paths[-1].endswith("/complete")
    assert base.outputs["out"]


def test_an_upload_that_is_refused_fails_the_job(base: BaseMarketplace) -> None:
    script = "import os; open(os.environ['OUTPUT_DIR'] + '/x', 'w').write('y')"
    job_id = base.add_job(["python", "-c", script], output_upload_url=base.output_url("out"))
    base.inject("PUT /outputs/out", *[status(403)] * 5)
    with provider(base.url) as running:
        (report,) = ended(base, job_id).failed
        assert report["error_type"] == "upload_error"
        assert not base.jobs[job_id].completed
        eventually(lambda: running.snapshot().failed == 1)
        assert running.snapshot().completed == 0
        assert running.result(job_id).state == "failed"


def test_an_input_that_is_not_there_fails_the_job(base: BaseMarketplace) -> None:
    job_id = base.add_job(["true"], input_data_url=f"{base.url}/inputs/missing")
    with provider(base.url):
        (report,) = ended(base, job_id).failed
    assert report["error_type"] == "input_error"
    assert report["error_message"].startswith("input_url: ")


def test_an_input_that_is_another_fails_the_job(base: BaseMarketplace) -> None:
    url = base.serve_input("data", b"another")
    job_id = base.add_job(["true"], input_data_url=url, input_sha256="0" * 64)
    with provider(base.url):
        (report,) = ended(base, job_id).failed
    assert report["error_type"] == "input_error"
    assert report["error_message"].startswith("input_sha256: ")


def test_a_heart_that_is_not_heard_goes_on(base: BaseMarketplace) -> None:
    base.inject("heartbeat", status(500), status(404), base_faults.HTML, status(401))
    job_id = base.add_job(SLEEPS)
    with provider(base.url) as running:
        eventually(lambda: "begun" in (running.logs(job_id) or ("",))[0])
        eventually(lambda: len(base.calls_to("heartbeat")) > 8)


@pytest.mark.parametrize(
    "url",
    [
        "http://market.example:8000",
        "http://192.168.1.10",
        "ftp://127.0.0.1",
        "127.0.0.1:8000",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:8000/?key=x",
        "https://user:secret@market.example",
        "https://market.example/a b",
        "x",
    ],
)
def test_a_url_that_will_not_do_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        JobManager(url)
    assert "secret" not in str(caught.value)


def test_plain_http_elsewhere_is_refused_unless_it_is_allowed() -> None:
    with pytest.raises(ConfigError, match="allow_insecure_http"):
        JobManager("http://market.example")
    JobManager("http://market.example", settings=Settings(allow_insecure_http=True))


def test_strangers_jobs_at_the_weakest_level_are_refused(base: BaseMarketplace) -> None:
    """The name would lead to a server of ours, were there any connection."""
    weakest = Settings(isolation=Isolation.LIMITS)
    elsewhere = Provider("https://market.invalid", "a-key", docker_manager=None, settings=weakest)
    with pytest.raises(ConfigError, match="allow_weak_isolation"):
        elsewhere.start()
    assert reason_tells(elsewhere, "allow_weak_isolation")
    assert not told(elsewhere, "can't be reached")
    assert not elsewhere.running


def test_the_owner_may_allow_the_weakest_level() -> None:
    chosen: dict[str, Any] = {"isolation": Isolation.LIMITS, "allow_weak_isolation": True}
    with provider("https://market.invalid", "a-key", **chosen) as running:
        eventually(lambda: reason_tells(running, "can't be reached"))
