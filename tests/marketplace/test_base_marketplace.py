"""The base marketplace of the tests is one: an agent of the base table works against it."""

from __future__ import annotations

import pytest
import requests
from marketplace.base_agent import CALL_S, BaseAgent
from support import base_faults
from support.base_marketplace import BaseMarketplace


def test_a_base_agent_works_against_it() -> None:
    with BaseMarketplace() as market:
        job_id = market.add_job(
            ["true"],
            input_data_url=market.serve_input("in.txt", b"in"),
            output_upload_url=market.output_url("out"),
        )
        agent = BaseAgent(market.url)
        assert agent.heartbeat()["status"] == "ok"
        (job,) = agent.available()
        assert agent.accept(job_id).status_code == 200
        assert agent.accept(job_id).status_code == 400
        assert agent.fetch(job["input_data_url"]).content == b"in"
        agent.upload(job["output_upload_url"], b"out")
        assert agent.complete(job_id).status_code == 200
        assert agent.complete(job_id).status_code == 400
        assert agent.complete("nothing").status_code == 404
        assert market.wait_for(job_id, "completed").completed[0]["duration"] == 2.0
        assert market.outputs == {"out": b"out"}
        agent.close()


@pytest.mark.parametrize("path", ["/api/jobs/x/release", "/api/jobs", "/api/jobs/x/cancel"])
def test_it_has_none_of_our_calls(path: str) -> None:
    with BaseMarketplace() as market:
        assert requests.post(market.url + path, json={}, timeout=CALL_S).status_code == 404


def test_faults_come_once_each_and_in_order() -> None:
    with BaseMarketplace() as market:
        job_id, agent = market.add_job(["true"]), BaseAgent(market.url)
        market.inject(
            "/accept",
            base_faults.status(429, retry_after="1"),
            base_faults.HTML,
            base_faults.INVALID_JSON,
            base_faults.slow(0.01),
        )
        assert agent.accept(job_id).headers["Retry-After"] == "1"
        assert agent.accept(job_id).text.startswith("<html>")
        with pytest.raises(ValueError, match="Expecting"):
            agent.accept(job_id).json()
        assert agent.accept(job_id).json()["status"] == "accepted"
        assert len(market.calls_to("/accept")) == 4
        agent.close()


def test_a_truncated_answer_follows_a_call_that_was_done() -> None:
    with BaseMarketplace() as market:
        job_id, agent = market.add_job(["true"]), BaseAgent(market.url)
        market.inject("/accept", base_faults.TRUNCATED)
        with pytest.raises(requests.RequestException):
            agent.accept(job_id)
        assert market.jobs[job_id].status == "accepted"
        agent.close()


def test_it_comes_back_where_it_was() -> None:
    with BaseMarketplace() as market:
        agent = BaseAgent(market.url)
        url = market.url
        market.stop()
        with pytest.raises(requests.ConnectionError):
            requests.get(url + "/health", timeout=CALL_S)
        market.start()
        assert market.url == url
        assert agent.heartbeat()["status"] == "ok"
        agent.close()
