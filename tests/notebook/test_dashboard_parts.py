"""What a dashboard is made of: what views may ask, what they are told, how much of it."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node3nb.agent.ledger import Tally
from node3nb.agent.quota import Quota
from node3nb.agent.records import JobSummary, ProviderState, Snapshot
from node3nb.errors import ConfigError
from node3nb.jobs import Isolation, JobState
from node3nb.meter import Meter
from node3nb.notebook.controls import Told
from node3nb.notebook.dashboard import assets, news, requests, tails
from node3nb.notebook.dashboard.allowance import ENVELOPE, RATE, SAVED, Allowance
from node3nb.notebook.dashboard.publisher import Publisher
from node3nb.notebook.dashboard.rows import ROWS_BYTES, Changes, row
from node3nb.provider import Provider

HOSTILE = "</script>\x1b[2J\u202egpj.exe\ud800" * 50
JOB = JobSummary(
    job_id="a" * 128,
    job_type=HOSTILE,
    command=HOSTILE,
    state=JobState.RUNNING,
    executor="native",
    why="",
    accepted_at="2026-01-01T00:00:00.000+00:00",
    memory_bytes=1 << 40,
    memory_limit_bytes=1 << 50,
    cpu_s=123456.7,
    reward=0.25,
    message=HOSTILE,
    isolation=Isolation.NAMESPACES,
    started_at="2026-01-01T00:00:01.000+00:00",
)
NOW = Snapshot(
    state=ProviderState.RUNNING,
    reason=HOSTILE,
    marketplace_url="http://127.0.0.1:1",
    agent_id="a",
    slots=10,
    executors=("native",),
    isolation=Isolation.NAMESPACES,
    jobs=(dataclasses.replace(JOB, job_id="a" * 32),) * 10,
    completed=10**6,
    failed=10**6,
    earned=1e9,
    undelivered=1000,
    running=10,
    quota=Quota(64, 64, 1 << 40, 8),
    most=Quota(64, 64, 1 << 40, 8),
    today=Tally(10**6, 10**6, 123456.789),
    ever=Tally(10**7, 10**7, 1234567.891),
)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"kind": "eval"},
        {"kind": "act", "word": "explode"},
        {"kind": "act", "word": 1},
        {"kind": "cancel", "word": "x" * 129},
        {"kind": "cancel"},
        {"kind": "watch", "word": ""},
        {"kind": "quota", "limits": {"slots": "2"}},
        {"kind": "quota", "limits": {"slots": True}},
        {"kind": "quota", "limits": {"slots": 1.5}},
        {"kind": "quota", "limits": [1]},
        {"kind": ["ping"]},
    ],
)
def test_what_is_no_request_is_none(content: object) -> None:
    assert requests.read(content) is None


def test_a_request_is_read_as_it_is_meant() -> None:
    asked = {"kind": "quota", "view": "v", "request": "r", "limits": {"slots": 2}}
    assert requests.read(asked) == requests.Request("quota", "v", "r", limits={"slots": 2})
    assert requests.read({"kind": "ping", "new": True}) == requests.Request("ping", "", new=True)


def test_a_tick_has_at_most_a_kilobyte_with_all_around_it() -> None:
    told = news.tick(NOW, Meter().read(), 63.9)
    assert len(json.dumps(told)) <= 1024 + 512


def test_rows_are_inert_and_short() -> None:
    told = json.dumps(row(dataclasses.replace(JOB, wall_s=10.0)))
    assert len(told) < 900
    assert json.loads(told)["command"].startswith("</script>\\x1b[2J\\u202egpj")


def test_rows_travel_only_when_they_have_changed() -> None:
    changes, jobs = Changes(), [dataclasses.replace(JOB, job_id=f"job{n}") for n in range(50)]
    first = changes.take(jobs, ROWS_BYTES)
    assert len(json.dumps(first)) <= ROWS_BYTES + 200
    assert 0 < len(first) < 50
    rest = changes.take(jobs, 1 << 20)
    assert [each["id"] for each in first + rest] == [job.job_id for job in jobs]
    busier = [dataclasses.replace(job, memory_bytes=5, cpu_s=9.0) for job in jobs]
    assert changes.take(busier, 1 << 20) == []
    ended = dataclasses.replace(jobs[7], state=JobState.COMPLETED, wall_s=3.0)
    assert [each["id"] for each in changes.take([*jobs[:7], ended], 1 << 20)] == ["job7"]


def test_an_allowance_is_saved_up_to_a_bound() -> None:
    clock = [0.0]
    allowance = Allowance(lambda: clock[0])
    assert allowance.left() == SAVED - ENVELOPE
    allowance.spend(SAVED)
    assert allowance.left() == 0
    clock[0] += 2 + 2 * ENVELOPE / RATE
    assert allowance.left() == pytest.approx(2 * RATE, abs=2)
    clock[0] += 3600
    assert allowance.left() == SAVED - ENVELOPE


@given(st.text(max_size=200), st.text(max_size=200), st.integers(0, 50))
def test_a_view_has_exactly_the_tail_there_is(known: str, more: str, cut: int) -> None:
    known, now = tails.end_of(known), tails.end_of((known + more)[cut:])
    kept, added = tails.difference(known, now)
    units = known.encode("utf-16-le")
    shown = (units[len(units) - 2 * kept :] if kept else b"") + added.encode("utf-16-le")
    assert shown.decode("utf-16-le") == now


def test_a_log_that_goes_on_sends_only_what_is_new() -> None:
    known = tails.end_of("".join(f"line {n}\n" for n in range(900)))
    now = tails.end_of("".join(f"line {n}\n" for n in range(905)))
    kept, added = tails.difference(known, now)
    assert kept > 0
    assert added == "".join(f"line {n}\n" for n in range(900, 905))
    assert len(json.dumps(tails.end_of("\x1b" * 100_000))) <= tails.STREAM_BYTES


def test_the_page_is_one_module_without_imports() -> None:
    module = assets.module()
    assert "\nimport " not in module
    assert module.count("export default {") == 1
    assert "\nexport function" not in module
    view = Path(assets.__file__).parent / "view"
    assert {path.name for path in view.iterdir()} == {*assets.MODULES, *assets.STYLES}
    names = [line.split("(")[0] for line in module.splitlines() if line.startswith("function ")]
    assert len(names) == len(set(names))
    for word in ("innerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(", "http://"):
        assert word not in module.replace("http://www.w3.org/2000/svg", "")


def test_the_publisher_ends_when_nobody_looks_and_comes_back() -> None:
    publisher, done = Publisher(), []

    class Looked:
        until = 0.0

        def watched(self) -> bool:
            return time.monotonic() < self.until

        def tick(self) -> None:
            done.append("tick")
            raise RuntimeError("one display that fails must not end the others")

    surface = Looked()
    publisher.add(surface)
    for _ in range(2):
        surface.until = time.monotonic() + 2
        publisher.put(lambda: done.append("work"))
        thread = publisher._thread
        assert thread is not None
        thread.join(60)
        assert not thread.is_alive()
    assert done.count("work") == 2
    assert done.count("tick") >= 2
    publisher.remove(surface)
    publisher.remove(surface)


def test_without_a_notebook_a_provider_says_where_its_dashboard_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Provider, "displays", {})
    with pytest.raises(ConfigError, match="%load_ext node3nb"):
        Provider("http://127.0.0.1:9").dashboard()
    with pytest.raises(ConfigError, match="%load_ext node3nb"):
        Provider("http://127.0.0.1:9").controls()


def test_controls_show_a_strangers_formula_and_markup_as_text() -> None:
    told = Told()
    told.tell(r"$\href{https://evil.example}{a}$ <img src=x>" + "\n\x1b[2J")
    shown = r"$\href{https://evil.example}{a}$ &lt;img src=x&gt; \x1b[2J"
    assert told.value == f'<span class="mathjax_ignore tex2jax_ignore">{shown}</span>'
