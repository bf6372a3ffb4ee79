"""Whatever a marketplace answers: a provider lives on, waits between its calls, and works again."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from agent.agent_parts import BOUND_S, descriptors, eventually, ours, settings
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support.any_answers import ANYTHING, DEPTHS, RAW, nearly
from support.base_faults import Fault
from support.base_marketplace import BaseMarketplace
from support.simulated_loop import SimulatedLoop

from node3nb.agent.threads import DaemonThreads
from node3nb.job_manager import JobManager
from node3nb.marketplace.client import channel, client
from node3nb.marketplace.client.deadline import Deadline

#: Seconds that a wrong answer may take until it is given up, and a right one.
HASTY_S, PATIENT_S = 0.1, 60.0
#: Seconds, of simulated time, in which wrong answers are given.
WRONG_S = 60.0
#: Calls a second at the most, and calls that may come at once.
#: Each of five loops begins with a second between two tries, less a quarter, where it fails; most
#: of its calls are made up to three times (`channel.REPEATED`), and some in two forms.
RATE, BURST = 5 * 3 * 2, 120
#: Longest thing that is said to the owner, in characters.
MOST_SAID = 1500
WHEN = "2026-01-01T00:00:00+00:00"
PRINTS = ["sh", "-c", "echo begun; sleep 0.1"]
JOB = {"job_id": "job-1", "command": PRINTS, "reward": 1.0, "timeout": 3.0, "requirements": {}}
TOLD = {"code": 200, "answer": {"status": "completed"}}
RIGHT: dict[str, dict[str, Any]] = {
    "/register": {"agent_id": "agent-1", "api_key": "key-1"},
    "/agents/heartbeat": {"leases": {"job-1": WHEN}, "cancel": ["job-1"], "unknown": ["job-1"]},
    "/accept": {"status": "accepted", "lease_id": "lease", "lease_expires_at": WHEN},
    "/complete": {"status": "completed", "job_id": "job-1", "reward": 1.0},
    "/fail": {"status": "failed", "job_id": "job-2"},
    "/release": {"status": "released"},
    "/turn": {"completed": {"job-1": TOLD}, "accepted": {"job-1": TOLD}, "jobs": [JOB]},
    "PATCH /api/jobs/.*/log": {"offset": 7},
    "GET /api/jobs$": {"jobs": [{"job_id": "job-1", "status": "completed"}]},
}
RETRY = st.sampled_from([None, "0", "-1", "1e400", "nan", "9" * 400, "Wed, 21 Oct 2095 07:28:00"])
STATUS = st.sampled_from([200] * 4 + [302, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503])
LINES = {
    "hung up": Fault(raw=b""),
    "cut": Fault(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
    "mute": Fault(delay_s=3 * HASTY_S),
    "dripping": Fault(raw=b"HTTP/1.1 200 OK\r\n\r\n{}", drip_s=HASTY_S / 3),
    **{name: Fault(200, body) for name, body in DEPTHS.items()},
}


def answers(bodies: st.SearchStrategy[str]) -> st.SearchStrategy[Fault]:
    encoded = bodies.map(lambda text: text.encode("utf-8", "surrogatepass"))
    faults = st.builds(
        Fault, status=STATUS, body=encoded, retry_after=RETRY, after_effect=st.booleans()
    )
    lines = st.sampled_from(sorted(LINES)).map(LINES.__getitem__)
    named = st.builds(replace, lines, after_effect=st.booleans())
    raw = st.builds(Fault, raw=RAW, after_effect=st.booleans())
    return st.one_of(faults, faults, faults, raw, named)


def wrong() -> st.SearchStrategy[list[tuple[str, Fault]]]:
    """Return which calls go wrong, and how."""
    kinds = [
        st.tuples(st.just(path), answers(st.one_of(ANYTHING, nearly(right))))
        for path, right in RIGHT.items()
    ]
    listed = st.lists(st.one_of(nearly(JOB), nearly(JOB), ANYTHING), max_size=6)
    offers = listed.map(lambda jobs: f'{{"jobs":[{",".join(jobs)}]}}')
    kinds += [st.tuples(st.just("/available"), answers(offers))] * 4
    return st.lists(st.one_of(kinds), min_size=1, max_size=12)


@dataclass
class Life:
    """A provider whose time is simulated, from its start to its stop."""

    base: BaseMarketplace
    patience_s: float = PATIENT_S
    under_way: int = 0
    error: BaseException | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.loop = SimulatedLoop(lambda: self.under_way > 0)
        chosen = settings(poll_s=5.0, wait_s=20.0, heartbeat_s=10.0)
        self.manager = JobManager(self.base.url, settings=chosen)
        self.thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
                runner.run(self.manager.start())
        except BaseException as error:
            self.error = error

    def tasks(self) -> int:
        async def count() -> int:
            return len(asyncio.all_tasks()) - 1

        return asyncio.run_coroutine_threadsafe(count(), self.loop).result(BOUND_S)

    def begin_anew(self) -> None:
        """Have it register again, and try every form of a call, which this marketplace lacks."""
        self.manager._enrolment._known = False
        self.manager._client._knows_turns = True
        self.manager._heart._base_only = self.manager._intake._polling._base_only = False

    def bear(self, faults: list[tuple[str, Fault]]) -> None:
        """Have these calls go wrong, in turn, for so long."""
        base, began, before = self.base, self.loop.now, len(self.base.calls)
        self.begin_anew()
        self.patience_s = HASTY_S
        for path in {path for path, _ in faults}:
            base.inject(path, *[fault for at, fault in faults if at == path] * 1000)
        for job_id in ("job-1", "job-2", "job-3", "job-4"):
            base.add_wire(job_id, {**JOB, "job_id": job_id})

        def over() -> bool:
            passed_s, calls = self.loop.now - began, len(base.calls) - before
            assert calls <= BURST + RATE * passed_s, f"{calls} calls in {passed_s:.1f} s"
            return passed_s > WRONG_S

        eventually(over)
        base.clear_faults()
        self.patience_s = PATIENT_S

    def check(self) -> None:
        """See that it lives, says what can be shown anywhere, and does a job."""
        assert self.thread.is_alive(), self.error
        now = self.manager.snapshot()
        for text in [now.reason, now.agent_id, *(each.text for each in self.manager.events())]:
            assert len(text) <= MOST_SAID, text
            assert text.isprintable(), text
        with self.base.lock:
            self.base.jobs.clear()
        job_id = self.base.add_job(["true"])
        assert self.base.wait_for(job_id, "completed", timeout_s=BOUND_S)


@pytest.fixture
def life(base: BaseMarketplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    living: list[Life] = []
    call = DaemonThreads.call

    async def counted(threads: DaemonThreads, function: Any, *args: Any) -> Any:
        if function.__name__ == "run":  # a job runs beside its provider's calls
            return await call(threads, function, *args)
        with _counting(living):
            return await call(threads, function, *args)

    monkeypatch.setattr(DaemonThreads, "call", counted)
    monkeypatch.setattr(
        client, "Deadline", lambda seconds: Deadline(min(seconds, living[0].patience_s))
    )
    monkeypatch.setattr(channel, "READ_S", HASTY_S)
    others = ours()
    begun = Life(base)
    living.append(begun)
    begun.thread.start()
    yield begun
    begun.manager.stop()
    begun.thread.join(BOUND_S)
    assert not begun.thread.is_alive()
    assert begun.error is None
    eventually(lambda: ours() <= others)


@contextlib.contextmanager
def _counting(living: list[Life]) -> Iterator[None]:
    """Have time stand still; calls begin and end on the loop, on one thread."""
    for life in living:
        life.under_way += 1
    try:
        yield
    finally:
        for life in living:
            life.under_way -= 1


# Sockets of answers that urllib3 can't make sense of are closed by the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@pytest.mark.timeout(300)
def test_any_answers(life: Life) -> None:
    life.check()
    tasks, files = life.tasks(), descriptors()

    @hypothesis_settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(wrong())
    def lived_through(faults: list[tuple[str, Fault]]) -> None:
        life.bear(faults)
        life.check()

    lived_through()
    gc.collect()
    eventually(lambda: life.tasks() <= tasks)
    eventually(lambda: descriptors() <= files + 40)


def test_a_key_that_was_given_and_is_refused_ever_after(life: Life) -> None:
    """A marketplace may have lost the agent it has just taken; another is not asked for at once."""
    lying = json.dumps(RIGHT["/register"]).encode()
    life.check()
    before = len(life.base.calls_to("/register"))
    life.bear([("/register", Fault(200, lying))])
    assert len(life.base.calls_to("/register")) == before + 1
    life.check()
