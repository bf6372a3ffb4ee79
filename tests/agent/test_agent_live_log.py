"""What a job prints reaches its submitter while it runs, whatever the network does meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from agent.agent_parts import BOUND_S, Market, eventually, provider
from hypothesis import given
from hypothesis import strategies as st
from support.base_marketplace import BaseMarketplace
from support.gates import WAITS, let_go
from support.lossy_network import lossy

from node3nb.agent import live_log
from node3nb.agent.live_log import whole_characters
from node3nb.agent.records import Lease
from node3nb.jobs import JobSpec
from node3nb.marketplace.client import consumer, log_calls
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.client.log_calls import LogPlace, WrongOffset
from node3nb.notebook.submitted import SubmittedJob

TALKS = WAITS + "print('ended')\n"


def seen(market: Market, job_id: str) -> str:
    return log_calls.read(market.client, job_id, LogPlace()).content.decode()


def test_a_submitter_reads_while_the_job_runs(market: Market) -> None:
    job_id = market.submit(["python", "-c", TALKS])
    with provider(market.url):
        eventually(lambda: seen(market, job_id) == "begun\n")
        let_go()
        assert market.result(job_id).stdout == "begun\nended\n"
    assert seen(market, job_id) == "begun\nended\n"


def test_a_handle_prints_the_log_as_it_comes(
    market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = market.submit(["python", "-c", TALKS])
    job = SubmittedJob(market.client, job_id)
    with provider(market.url), ThreadPoolExecutor() as pool:
        follows = pool.submit(job.logs, follow=True)
        eventually(lambda: "begun\n" in capsys.readouterr().out)
        let_go()
        assert follows.result(BOUND_S) is None
        assert capsys.readouterr().out == "ended\n"


def test_a_job_that_ends_at_once_is_printed_all_the_same(
    market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    job_id = market.submit(["python", "-c", code])
    with provider(market.url):
        SubmittedJob(market.client, job_id).logs(follow=True)
    assert capsys.readouterr().out == "out\nerr\n"


def test_what_is_lost_on_the_way_is_sent_again_and_what_came_is_not(market: Market) -> None:
    """The answers to a piece and to its repetition are swallowed; every line is there once."""
    slowly = "import time\nfor n in range(3): print(n, flush=True); time.sleep(1.2)\n"
    with lossy(market.url) as network:
        network.swallow(r"/log\?offset=", 2)
        job_id = market.submit(["python", "-c", slowly + TALKS])
        with provider(network.url):
            eventually(lambda: seen(market, job_id).endswith("begun\n"))
            let_go()
            assert market.result(job_id).ok
    assert seen(market, job_id) == "0\n1\n2\nbegun\nended\n"


def test_a_reader_lives_through_a_marketplace_that_goes_away(market: Market) -> None:
    job_id = market.submit(["python", "-c", TALKS])
    with lossy(market.url) as network, provider(market.url), ThreadPoolExecutor() as pool:
        reader = MarketplaceClient(network.url, market.keys["consumer"])
        network.swallow(r"/log", 3)
        reads = pool.submit(lambda: b"".join(p.content for p in consumer.follow(reader, job_id)))
        eventually(lambda: seen(market, job_id) == "begun\n")
        let_go()
        assert reads.result(BOUND_S) == b"begun\nended\n"


def test_of_a_flood_the_beginning_and_the_end_arrive(market: Market) -> None:
    flood = (
        "import sys, time\nprint('first', flush=True)\n"
        "for n in range(60_000): print('x' * 99)\n"
        "sys.stdout.flush()\n" + WAITS + "print('last')\n"
    )
    job_id = market.submit(["python", "-c", flood])
    with provider(market.url) as running:
        eventually(lambda: len(seen(market, job_id)) >= 1 << 19)
        eventually(lambda: "begun" in (running.logs(job_id) or ("",))[0])
        let_go()
        assert market.result(job_id).stdout_truncated
    place, whole = LogPlace(), b""
    while piece := log_calls.read(market.client, job_id, place):
        place, whole = piece.place, whole + piece.content
        if piece.over:
            break
    assert whole.startswith(b"first\n")
    assert whole.endswith(b"begun\nlast\n")
    assert b" bytes left out ...]" in whole
    assert len(whole) < (1 << 20) + 200


def test_a_marketplace_without_logs_is_asked_once(base: BaseMarketplace) -> None:
    jobs = [base.add_job(["python", "-c", WAITS]) for _ in range(2)]
    with provider(base.url):
        eventually(lambda: base.calls_to("PATCH /api/jobs/.*/log"))
        beats = len(base.calls_to("heartbeat"))
        eventually(lambda: len(base.calls_to("heartbeat")) > beats + 10)
        let_go()
        for job_id in jobs:
            base.wait_for(job_id, "completed", timeout_s=BOUND_S)
    assert len(base.calls_to("PATCH ")) <= len(jobs)


def test_a_job_is_seen_to_run_long_before_the_next_heartbeat_is_due(market: Market) -> None:
    job_id = market.submit(["python", "-c", "import time; time.sleep(600)"])
    with provider(market.url, heartbeat_s=3600.0):
        market.until(job_id, "running")
        market.client.cancel(job_id)


class OddServer:
    """Takes pieces as a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, says: list[Any]) -> None:
        self.says, self.pieces = says, []
        monkeypatch.setattr(log_calls, "append", self.append)

    def append(self, _c: object, _j: str, _l: object, offset: int, piece: bytes) -> int:
        self.pieces.append((offset, piece))
        said = self.says[min(len(self.pieces), len(self.says)) - 1]
        if isinstance(said, Exception):
            raise said
        return int(said)


class Place:
    """A job's directory of which only the logs count."""

    def __init__(self, **logs: bytes) -> None:
        self.logs = logs

    def read_log(self, stream: str, most: int, start: int = 0) -> bytes:
        return self.logs.get(stream, b"")[start : start + most]


class Record:
    """A record of a job, as far as its log is concerned."""

    spec = JobSpec(("true",), job_id="job")
    lease = Lease("job", "lease")

    def __init__(self, place: Place) -> None:
        self.workspace = place


@pytest.fixture
def log() -> live_log.LiveLog:
    return live_log.LiveLog(Record(Place(stdout=b"out", stderr=b"err")))


@pytest.mark.parametrize(
    ("says", "pieces"),
    [
        ([3, 6], [(0, b"out"), (3, b"err")]),
        ([1, 4, 6], [(0, b"out"), (1, b"err"), (4, b"ut")]),
        ([WrongOffset(3), 6], [(0, b"out"), (3, b"err")]),
        ([WrongOffset(100), 103], [(0, b"out"), (100, b"err")]),
        ([1 << 50, 6], [(0, b"out"), (3, b"err")]),
    ],
)
def test_a_log_goes_on_where_the_marketplace_says(
    log: live_log.LiveLog, monkeypatch: pytest.MonkeyPatch, says: list[Any], pieces: list[Any]
) -> None:
    server = OddServer(monkeypatch, says)
    for _ in range(3):
        log.send(None)
    assert server.pieces[: len(pieces)] == pieces


def test_a_marketplace_that_refuses_every_offset_is_left_alone(
    log: live_log.LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = OddServer(monkeypatch, [WrongOffset(7)])
    for _ in range(50):
        log.send(None)
    assert log.over
    assert len(server.pieces) <= live_log.MOST_REFUSALS


@given(st.text(max_size=20), st.integers(0, 3))
def test_pieces_end_with_whole_characters(text: str, cut: int) -> None:
    data = text.encode("utf-8", "ignore")
    piece = whole_characters(data[: len(data) - cut])
    assert data.startswith(piece)
    if len(data) > 8:
        assert piece.decode("utf-8") in text


def test_no_more_than_a_piece_stands_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And of a stream with a cap, while it runs, not what may still change."""
    log = live_log.LiveLog(Record(Place(stdout=b"x" * (4 << 20))))
    server = OddServer(monkeypatch, [1 << 50])
    for _ in range(20):
        log.send(None)
    assert log.end == 1 << 19
    assert max(len(piece) for _, piece in server.pieces) == live_log.PIECE_BYTES
