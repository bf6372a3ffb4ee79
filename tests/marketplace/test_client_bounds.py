"""A marketplace that sends too much, or never comes to an end, does not hold its client up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from support.strange_marketplace import answering, begin, said

from node3nb.errors import InputError, MarketplaceUnreachable, VariableRefused
from node3nb.jobs import ExitReason, JobResult, JobState
from node3nb.marketplace.client import client as clients
from node3nb.marketplace.client import consumer, job_views, log_calls
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.client.deadline import Deadline
from node3nb.marketplace.client.log_calls import LogPlace
from node3nb.marketplace.wire.protocol import JobView
from node3nb.notebook import shown, submitted
from node3nb.notebook.submitted import SubmittedJob
from node3nb.variables.luggage import Luggage

#: Seconds a call is given here.
SHORT_S = 0.3
LATE = "did not answer in time"
DONE = {"job_id": "job-1", "status": "completed"}


class Drip:
    """Answers that come byte by byte, and never to an end while their test lasts."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def head(self, call: BaseHTTPRequestHandler) -> None:
        """Drip in the head of an answer."""
        call.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self.drip(call)

    def body(self, call: BaseHTTPRequestHandler) -> None:
        """Drip in a body whose length is told."""
        begin(call, 8_000_000)
        self.drip(call)

    def open_body(self, call: BaseHTTPRequestHandler) -> None:
        """Drip in a body that ends with its connection."""
        call.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        self.drip(call)

    def drip(self, call: BaseHTTPRequestHandler) -> None:
        while not self.over.wait(0.02):
            call.wfile.write(b" ")


@pytest.fixture
def drip() -> Iterator[Drip]:
    drip = Drip()
    yield drip
    drip.over.set()


CALLS: dict[str, Callable[[MarketplaceClient, Path], object]] = {
    "job": lambda client, _: client.job("job-1"),
    "log": lambda client, _: log_calls.read(client, "job-1", LogPlace()),
    "output": lambda client, path: client.get_output("job-1", path / "output"),
    "jobs": lambda client, _: client.jobs(),
}


@pytest.mark.parametrize("way", ["head", "body", "open_body"])
@pytest.mark.parametrize("call", CALLS)
def test_a_drip_is_hung_up_on(
    drip: Drip, call: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (clients, job_views):
        monkeypatch.setattr(module, "Deadline", lambda _: Deadline(SHORT_S))
    with (
        answering(getattr(drip, way)) as url,
        pytest.raises(MarketplaceUnreachable, match=LATE),
    ):
        CALLS[call](MarketplaceClient(url), tmp_path)


def test_a_wait_ends_when_its_caller_says(drip: Drip) -> None:
    with (
        answering(drip.body) as url,
        pytest.raises(TimeoutError, match=r"the job in time\. .* did not answer in time"),
    ):
        consumer.wait(MarketplaceClient(url), "job-1", SHORT_S)


def test_so_does_a_wait_for_a_marketplace_that_is_away() -> None:
    slept: list[float] = []
    with pytest.raises(TimeoutError, match="can't be reached"):
        consumer.wait(MarketplaceClient("http://127.0.0.1:1"), "job-1", 0.0, slept.append)
    assert sum(slept) == 0


def test_the_next_call_of_the_thread_is_heard(drip: Drip) -> None:
    answers = [drip.body, said(DONE)]

    def next_answer(call: BaseHTTPRequestHandler) -> None:
        answers.pop(0)(call)

    with answering(next_answer) as url:
        client = MarketplaceClient(url)
        with pytest.raises(MarketplaceUnreachable, match=LATE):
            client.job("job-1", SHORT_S)
        assert client.job("job-1").final


@pytest.mark.parametrize(
    "told",
    [
        {"usage": {"peak_memory_bytes": 10**400}},
        {"usage": {"cpu_s": float("nan")}},
        {"usage": {"peak_processes": -1}},
        {"wall_s": float("inf")},
        {"startup_ms": -1.0},
        {"exit_code": 10**30},
        {"signal": -(10**30)},
        {"outputs": [{"path": "a", "bytes": 10**400, "sha256": ""}]},
    ],
    ids=lambda told: next(iter(told)),
)
def test_numbers_of_no_machine_are_not_believed(told: dict[str, object]) -> None:
    reported = {"state": "completed", "reason": "exited", "started_at": "2026", "job_id": "job-1"}
    view = JobView(**DONE, output_data=reported | told)
    result = consumer.result_of(view)
    assert result == JobResult("job-1", JobState.COMPLETED, ExitReason.EXITED)
    assert "completed" in shown.result_text(result)
    assert consumer.result_of(JobView(**DONE, output_data=reported)).started_at == "2026"


def much(call: BaseHTTPRequestHandler) -> None:
    if call.path.endswith("output"):
        begin(call, 3 << 20)
        call.wfile.write(bytes(3 << 20))
    else:
        said(DONE)(call)


def test_outputs_without_end_are_not_kept(tmp_path: Path) -> None:
    with answering(much) as url, pytest.raises(InputError, match="more than 1048576 bytes"):
        MarketplaceClient(url).get_output("job-1", tmp_path / "output", 1 << 20)
    assert (tmp_path / "output").stat().st_size <= 1 << 20


def test_what_a_job_leaves_beside_its_variables_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(submitted, "MAX_OUT_BYTES", 1 << 20)
    with answering(much) as url:
        job = SubmittedJob(MarketplaceClient(url), "job-1", Luggage(out=("a",)), {})
        with pytest.raises(VariableRefused, match="--out a: outputs: the marketplace sends more"):
            job.wait(60)
        assert job.result().ok
