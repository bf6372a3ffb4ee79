"""Whatever a server answers: a call gives what is checked, or raises one of our own errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.any_answers import ANYTHING, DEPTHS, RAW, nearly
from support.raw_server import RawServer, raw_server

from node3nb.agent.intake import MOST_OFFERS
from node3nb.errors import JobSpecError, Node3Error
from node3nb.jobs import JobSpec
from node3nb.marketplace.client import log_calls
from node3nb.marketplace.client.agent_client import AgentClient
from node3nb.marketplace.client.answers import MAX_RETRY_AFTER_S, _retry_after_s
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.client.deadline import Deadline
from node3nb.marketplace.client.log_calls import MAX_PIECE_BYTES, LogPiece, LogPlace
from node3nb.marketplace.wire import protocol
from node3nb.transfers.permits import read_permit

#: Longest message of an error, in characters.
MAX_SAID = 1000
WHEN = "2026-01-01T00:00:00+00:00"
NONE = {"gpu_model": "none", "gpu_vendor": "none", "gpu_memory": 0}
COMPLETION = protocol.Completion(started_at=WHEN, completed_at=WHEN, duration=1.0)
FAILURE = protocol.Failure(error_message="x", started_at=WHEN, failed_at=WHEN)

quick = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def usable_key(answer: protocol.Registered) -> None:
    MarketplaceClient("http://127.0.0.1:1").use_key(answer.api_key)
    protocol.Acceptance(wallet_address=answer.agent_id)


def usable_lease(answer: protocol.Accepted) -> None:
    protocol.Completion(**COMPLETION.model_dump(exclude={"lease_id"}), lease_id=answer.lease_id)
    protocol.Heartbeat(jobs={"job-1": answer.lease_id or ""})
    assert len(answer.lease_expires_at or "") <= 64


def usable_jobs(jobs: list[Any]) -> None:
    for job in jobs[:MOST_OFFERS]:
        try:
            assert isinstance(protocol.read_job(job), JobSpec)
        except JobSpecError as error:
            inert(error)


def usable_names(answer: protocol.HeartbeatAnswer) -> None:
    assert all(isinstance(each, str) for each in [*answer.cancel, *answer.unknown])


@dataclass(frozen=True)
class Case:
    """One call of an agent or a consumer."""

    call: Callable[[AgentClient], Any]
    right: dict[str, Any]
    usable: Callable[[Any], object] = bool


JOB = {"job_id": "job-1", "command": ["true"], "reward": 1.0, "timeout": 3.0, "requirements": {}}
CALLS = {
    "register": Case(
        lambda client: client.register(protocol.Registration(wallet_address="0x1", **NONE)),
        {"agent_id": "agent-1", "api_key": "key-1"},
        usable_key,
    ),
    "heartbeat": Case(
        lambda client: client.heartbeat(protocol.Heartbeat()),
        {"leases": {"job-1": WHEN}, "cancel": ["job-1"], "unknown": ["job-2"]},
        usable_names,
    ),
    "available": Case(
        lambda client: client.available(protocol.AvailableQuery()), {"jobs": [JOB]}, usable_jobs
    ),
    "accept": Case(
        lambda client: client.accept("job-1", "0x1"),
        {"status": "accepted", "reward": 1.0, "lease_id": "lease", "lease_expires_at": WHEN},
        usable_lease,
    ),
    "complete": Case(lambda client: client.complete("job-1", COMPLETION), {"status": "completed"}),
    "fail": Case(lambda client: client.fail("job-1", FAILURE), {"status": "failed"}),
    "release": Case(
        lambda client: client.release("job-1", protocol.Release(lease_id="lease")), {"status": "ok"}
    ),
    "job": Case(lambda client: client.job("job-1"), {"job_id": "job-1", "status": "running"}),
    "jobs": Case(lambda client: client.jobs(), {"jobs": [{"job_id": "job-1", "status": "x"}]}),
    "submit": Case(lambda client: client.submit({"command": ["true"]}), {"job_id": "job-1"}),
    "status": Case(lambda client: client.status(), {"status": "ok"}),
}


def turned(client: AgentClient) -> Any:
    """Complete a job in a turn, as an agent does whose jobs end fast."""
    with client._ahead.polling(protocol.AvailableQuery()):
        pass
    return client.complete("job-1", COMPLETION)


CALLS["turn"] = Case(
    turned, {"completed": {"job-1": {"code": 200, "answer": {"status": "x"}}}, "jobs": [JOB]}
)


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with raw_server() as running:
        yield running


def inert(error: Node3Error) -> None:
    """What is said of it can be shown anywhere."""
    said = str(error)
    assert len(said) <= MAX_SAID
    assert said.isprintable()
    said.encode()


def http(body: bytes, status: int = 200, **headers: str) -> bytes:
    named = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


def ask(server: RawServer, case: Case, answer: bytes) -> bool:
    """Make a call and check what comes of it; return whether it was answered."""
    server.answer = answer
    client = AgentClient(server.url)
    try:
        told = case.call(client)
    except Node3Error as error:
        inert(error)
        return False
    finally:
        client.hang_up()
    case.usable(told)
    return True


@pytest.mark.parametrize("name", CALLS)
def test_any_json(server: RawServer, name: str) -> None:
    case = CALLS[name]

    @quick
    @given(ANYTHING, st.sampled_from([200, 200, 400, 409, 503]))
    def check(body: str, status: int) -> None:
        ask(server, case, http(body.encode(), status))

    check()


@pytest.mark.parametrize("name", CALLS)
def test_any_field(server: RawServer, name: str) -> None:
    case = CALLS[name]
    assert ask(server, case, http(json.dumps(case.right).encode()))

    @quick
    @given(nearly(case.right))
    def check(body: str) -> None:
        ask(server, case, http(body.encode()))

    check()


# Sockets of answers that urllib3 can't make sense of are closed by the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["available", "accept", "turn", "log"])
def test_any_bytes(server: RawServer, name: str) -> None:
    calls = {
        **CALLS,
        "log": Case(lambda client: log_calls.read(client, "job-1", LogPlace()), {}, short_log),
    }

    @quick
    @given(RAW)
    def check(answer: bytes) -> None:
        ask(server, calls[name], answer)

    check()


def short_log(piece: LogPiece) -> None:
    assert len(piece.content) <= MAX_PIECE_BYTES


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("register", "api_key", "a\0b"),
        ("register", "agent_id", ""),
        ("register", "agent_id", "x" * 70_000),
        ("accept", "lease_id", "x" * 70_000),
        ("accept", "lease_id", "a\0b"),
    ],
)
def test_what_later_calls_could_not_send_is_refused(
    server: RawServer, name: str, field: str, value: str
) -> None:
    case = CALLS[name]
    assert not ask(server, case, http(json.dumps({**case.right, field: value}).encode()))


@pytest.mark.parametrize("body", DEPTHS.values(), ids=DEPTHS)
def test_deep_and_large(server: RawServer, body: bytes) -> None:
    ask(server, CALLS["available"], http(body))


def test_the_body_of_a_redirect_is_not_read(server: RawServer) -> None:
    """Neither is where it leads looked at."""
    size = 16 << 20
    head = b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: %d\r\n\r\n" % size
    server.answer = head + bytes(size)
    client = MarketplaceClient(server.url)
    with client._calls.request("GET", "/", Deadline(60.0)) as answer:
        assert not answer._content_consumed


def test_cookies_are_not_kept(server: RawServer) -> None:
    server.answer = http(b"{}", Set_Cookie="a=b; Path=/")
    client = MarketplaceClient(server.url)
    client.status()
    assert len(client._calls._session().cookies) == 0


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=40) | st.sampled_from(["1e400", "-1e400", "nan", "9" * 5000, "1_0"]))
def test_any_retry_after(asked: str) -> None:
    assert 1.0 <= _retry_after_s(asked) <= MAX_RETRY_AFTER_S


@settings(max_examples=300, deadline=None, derandomize=True)
@given(ANYTHING)
def test_any_job_and_any_permit(text: str) -> None:
    told = json.loads(text, parse_int=float)
    usable_jobs([told])
    if isinstance(told, dict):
        read_permit(told)
