"""The process of a marketplace: it lets waiting calls go when it ends; its log keeps secrets."""

from __future__ import annotations

import http.client
import json
import logging
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marketplace.market_parts import (
    BASE_QUERY,
    CALL_S,
    Market,
    Person,
    eventually,
    in_progress,
    said,
)

from node3nb.marketplace.manners.notes import JsonLines, TextLines

#: Bound of the end of a process, in seconds.
END_S = 60


@contextmanager
def process(data_dir: Path, *options: object) -> Iterator[tuple[Market, subprocess.Popen[str]]]:
    """Run a marketplace in its own process; kill it at the end if it still runs."""
    command = [sys.executable, "-m", "node3nb.marketplace", "--port", 0, "--data", data_dir]
    with subprocess.Popen(
        [*map(str, command), *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            market = Market(child.stdout.readline().split()[-1], data_dir)
            yield market, child
            market.close()
        finally:
            child.kill()


def test_waiting_polls_are_let_go_when_it_ends(tmp_path: Path) -> None:
    told: list[tuple[int, object]] = []
    with process(tmp_path) as (market, child):

        def wait(agent: Person) -> None:
            answer = agent.post("/api/jobs/available", {**BASE_QUERY, "wait_s": 60})
            told.append((answer.status_code, answer.json()))

        agents = [market.agent() for _ in range(50)]
        threads = [threading.Thread(target=wait, args=(each,)) for each in agents]
        for thread in threads:
            thread.start()
        eventually(lambda: in_progress(market) == 51)
        child.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(END_S)
        assert child.wait(END_S) == -signal.SIGTERM
    assert told == [(200, {"jobs": []})] * 50


def test_who_follows_a_log_is_let_go_when_it_ends(tmp_path: Path) -> None:
    told: list[int] = []
    with process(tmp_path, "--grace", END_S) as (market, child):
        job_id, agent = market.consumer.submit(), market.agent()
        agent.poll()
        agent.lease(job_id)

        def follow() -> None:
            path = f"/api/jobs/{job_id}/log?follow=true&wait_s={END_S}"
            told.append(market.consumer.get(path).status_code)

        follower = threading.Thread(target=follow)
        follower.start()
        eventually(lambda: in_progress(market) == 2)
        child.send_signal(signal.SIGTERM)
        child.wait(END_S / 2)
        follower.join(END_S)
    assert told == [200]


def upload(market: Market) -> tuple[str, http.client.HTTPConnection]:
    """Begin to send an input, and send half of it."""
    job_id = market.consumer.submit(awaits_input=True)
    line = http.client.HTTPConnection(market.url.removeprefix("http://"), timeout=CALL_S)
    line.putrequest("PUT", f"/api/jobs/{job_id}/input")
    line.putheader("X-API-Key", str(market.consumer.key))
    line.putheader("Content-Length", "8")
    line.endheaders(b"half")
    eventually(lambda: in_progress(market) == 2)
    return job_id, line


def test_an_upload_that_runs_at_the_end_is_taken(tmp_path: Path) -> None:
    with process(tmp_path, "--grace", 60) as (market, child):
        job_id, line = upload(market)
        child.send_signal(signal.SIGTERM)
        eventually(lambda: not (tmp_path / "server.json").exists())
        line.send(b"half")
        assert line.getresponse().status == 200
        line.close()
        child.wait(END_S)
    with process(tmp_path) as (market, _child):
        assert market.consumer.status(job_id) == "available"
        assert market.consumer.get(f"/api/jobs/{job_id}/input").content == b"halfhalf"


def test_an_upload_that_does_not_end_ends_with_it(tmp_path: Path) -> None:
    with process(tmp_path, "--grace", 1) as (market, child):
        job_id, line = upload(market)
        child.send_signal(signal.SIGTERM)
        child.wait(END_S)
        line.close()
    with process(tmp_path) as (market, _child):
        assert market.consumer.status(job_id) == "pending"


def test_the_log_tells_of_calls_in_json_and_keeps_secrets(tmp_path: Path) -> None:
    with process(tmp_path, "--log", "json", "--log-level", "info") as (market, child):
        job_id, agent = market.consumer.submit(environment={"A": "hunter2"}), market.agent()
        (offer,) = agent.poll()
        agent.lease(job_id)
        said(agent.put(offer["output_upload_url"], b"x"))
        agent.put(offer["output_upload_url"] + "0", b"x")
        market.person("n3_consumer_0000000000000000_wrong").get("/api/jobs")
        market.nobody.get("/health", headers={"X-Request-Id": "mine"})
        child.send_signal(signal.SIGTERM)
        printed, noted = child.communicate(timeout=END_S)
    lines = [json.loads(line) for line in noted.splitlines()]
    calls = [line for line in lines if line["message"] == "call"]
    assert {"/api/jobs/{job_id}/output", "/api/jobs/available"} <= {call["route"] for call in calls}
    assert [call["route"] for call in calls if call["request_id"] == "mine"] == ["/health"]
    assert all(call["duration_ms"] >= 0 and call["status"] and call["method"] for call in calls)
    token = offer["output_upload_url"].partition("token=")[2]
    secrets = (market.admin.key, market.consumer.key, agent.key, token, "hunter2", job_id)
    for secret in secrets:
        assert secret
        assert secret not in printed + noted


def test_a_failure_is_noted_without_its_values() -> None:
    try:
        int("hunter2")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failure", None, sys.exc_info())
    told = json.loads(JsonLines().format(record))
    assert told["error"] == "builtins.ValueError"
    assert any("test_a_failure" in frame for frame in told["frames"])
    for line in (JsonLines().format(record), TextLines().format(record)):
        assert "hunter2" not in line
        assert "ValueError" in line


def test_it_has_descriptors_for_more_connections_than_a_process_usually_may(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with process(tmp_path) as (_, child):
            assert resource.prlimit(child.pid, resource.RLIMIT_NOFILE)[0] >= min(hard, 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
