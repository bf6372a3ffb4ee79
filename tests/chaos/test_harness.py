"""What the chaos is made with does what it says: else a run that ends well would prove nothing."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator

import pytest
import requests
from chaos import jobs, schedule
from chaos.jobs import Kind
from chaos.proxy import Line, Lines
from chaos.schedule import Fault

#: Bound of every call that must be answered, in seconds.
CALL_S = 60.0
#: Seconds for which a call that must not be answered is waited for.
SILENT_S = 0.5
CONTENT = b"x" * 100_000


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def line() -> Iterator[Line]:
    """A line to a server."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        lines = Lines()
        line = Line(lines, lambda: server.server_address[1], seed=1)
        yield line
        line.close()
        lines.close()
        server.shutdown()
        thread.join()


def fetched(line: Line, seconds: float = CALL_S) -> bytes:
    return requests.get(line.url, timeout=seconds).content


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.RESET])
def test_a_broken_line_fails_calls_until_it_is_mended(line: Line, fault: Fault) -> None:
    assert fetched(line) == CONTENT
    line.break_by(fault)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        fetched(line)
    line.mend()
    assert fetched(line) == CONTENT


@pytest.mark.parametrize("fault", [Fault.STALLED, Fault.HALF_OPEN])
def test_a_silent_line_answers_nothing_until_it_is_mended(line: Line, fault: Fault) -> None:
    line.break_by(fault)
    with pytest.raises(requests.Timeout):
        fetched(line, SILENT_S)
    line.mend()
    assert fetched(line) == CONTENT


def test_a_slow_line_delivers(line: Line) -> None:
    line.break_by(Fault.SLOW)
    assert fetched(line) == CONTENT


def test_a_seed_stands_for_all_that_happens() -> None:
    plan = schedule.plan(7, 1000, 30, 3)
    assert plan == schedule.plan(7, 1000, 30, 3)
    assert plan != schedule.plan(8, 1000, 30, 3)
    assert {planned.fault for planned in plan} == set(Fault)
    assert [planned.after for planned in plan] == sorted(planned.after for planned in plan)
    impossible = (Fault.DATABASE_KILLED, *schedule.WITH_CONTAINERS)
    without = schedule.plan(7, 1000, 30, 3, without=impossible)
    assert {planned.fault for planned in without} == set(Fault) - {*impossible}


def test_every_kind_of_job_is_there() -> None:
    drawn = jobs.draw(7, 1000)
    assert drawn == jobs.draw(7, 1000)
    assert len(drawn) == 1000
    assert {job.kind for job in drawn} == set(Kind)
    without = jobs.draw(7, 1000, without=jobs.IN_CONTAINERS)
    assert len(without) == 1000
    assert {job.kind for job in without} == set(Kind) - jobs.IN_CONTAINERS
