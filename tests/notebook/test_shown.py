"""What a notebook shows: escaped, inert, whole without a kernel."""

from __future__ import annotations

import dataclasses
import re
import sys
import types
from pathlib import Path

import pytest
from IPython.core.error import UsageError
from support.kernel_cells import Cells

from node3nb import inert_text
from node3nb.agent.journal import Entry
from node3nb.agent.records import JobSummary, ProviderState, Snapshot
from node3nb.errors import ConfigError
from node3nb.jobs import ExitReason, Isolation, JobResult, JobState, OutputFile, Usage
from node3nb.marketplace.wire.protocol import JobView
from node3nb.notebook import page, shown
from node3nb.notebook.answers import Logs, Outputs, Why
from node3nb.notebook.jobs_list import Jobs
from node3nb.notebook.market_jobs import MarketJobs
from node3nb.notebook.submitted import SubmittedJob
from node3nb.provider import Provider

#: Markup, an escape sequence, a bell, a line that overwrites another, a text that runs backwards.
HOSTILE = "</pre><script>alert(1)</script>\x1b[2J\x07one\rtwo\u202egpj.exe\u2028\x85\ud800"
INERT = "\\x1b[2J\\x07one\ntwo\\u202egpj.exe\\u2028\\x85\\ud800"

RESULT = JobResult(
    job_id="0123456789abcdef",
    state=JobState.FAILED,
    reason=ExitReason.OUT_OF_MEMORY,
    message=f"It is {HOSTILE}",
    executor=f"native{HOSTILE}",
    isolation=Isolation.LIMITS,
    started_at="2026-01-01T00:00:00+00:00",
    wall_s=1.5,
    usage=Usage(cpu_s=0.25, peak_memory_bytes=3 << 20),
    stdout=HOSTILE,
    stderr=HOSTILE,
    outputs=(OutputFile(f"a{HOSTILE}", 12, "0" * 64),),
)
JOB = JobSummary(
    job_id="0123456789abcdef",
    job_type="cell",
    command=f"python {HOSTILE}",
    state=JobState.RUNNING,
    executor="native",
    why="",
    accepted_at="2026-01-01T00:00:00.000+00:00",
    memory_bytes=1 << 20,
    memory_limit_bytes=1 << 30,
    cpu_s=1.0,
    reward=0.25,
    message=HOSTILE,
)
NOW = Snapshot(
    state=ProviderState.RUNNING,
    reason=HOSTILE,
    marketplace_url="http://127.0.0.1:1",
    agent_id=HOSTILE,
    slots=2,
    executors=("native",),
    isolation=None,
    jobs=(JOB,),
    completed=1,
    failed=2,
    earned=0.25,
    undelivered=3,
)
WHY = Why(ProviderState.PAUSED, HOSTILE, (Entry("2026-01-01T00:00:00.000+00:00", True, HOSTILE),))


class HostileMarketplace:
    """What a marketplace tells of a job, in its own words."""

    url = f"http://127.0.0.1:1/{HOSTILE}"

    def job(self, job_id: str, within_s: float) -> JobView:
        del within_s
        return JobView(
            job_id=job_id, status=HOSTILE, agent_id=HOSTILE, error_message=HOSTILE, final=False
        )


SUBMITTED = SubmittedJob(HostileMarketplace(), HOSTILE)
AT_MARKET = MarketJobs([SUBMITTED.view()])
OUTPUTS = Outputs(HOSTILE, (OutputFile(HOSTILE, 1, HOSTILE),) * 500)


@pytest.mark.parametrize(
    "value",
    [SUBMITTED, AT_MARKET, OUTPUTS, RESULT, NOW, Jobs([JOB]), Logs("a", HOSTILE, HOSTILE), WHY],
    ids=lambda v: type(v).__name__,
)
def test_nothing_a_stranger_wrote_acts(cells: Cells, value: object) -> None:
    text, html = cells.shown(value)

    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e\ud800]", text + html)
    assert "<script" not in html
    assert html.count("<pre") == html.count("</pre>")
    assert "&lt;script&gt;" in html


def test_neither_does_a_providers_reason_in_its_repr(
    node3_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Provider, "snapshot", lambda *_: NOW)
    told = repr(Provider("http://127.0.0.1:9", docker_manager=None))
    assert told == f"<Provider running at {NOW.marketplace_url}: {inert_text.line(HOSTILE, 600)}>"
    assert told.isprintable()


def test_a_text_is_made_inert_and_stays_readable() -> None:
    assert inert_text.inert(HOSTILE).endswith(INERT)
    assert inert_text.inert("Grüße, 世界 👩‍🚀\tab\r\n") == "Grüße, 世界 👩‍🚀\tab\n"
    assert inert_text.line("one\ntwo  three") == "one two three"
    assert inert_text.line("x" * 200) == "x" * 119 + "…"


def _plain(**changes: object) -> JobResult:
    return dataclasses.replace(RESULT, executor="native", **changes)


def test_a_result_says_how_it_ended_and_what_it_took(cells: Cells) -> None:
    text, html = cells.shown(_plain(message="It is over.", stdout="hi\n"))

    assert text.startswith("Job 0123456789ab failed (out of memory). It is over.\nstdout:\n  hi\n")
    assert text.endswith(
        "\n1.50 s · 0.25 s of CPU · 3 MiB of memory · native, isolation level limits"
    )
    assert "<strong>Job 0123456789ab failed (out of memory).</strong>" in html


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ({"reason": ExitReason.EXITED, "exit_code": 3}, "failed (exit code 3)."),
        ({"reason": ExitReason.SIGNALED, "signal": 11}, "failed (signal 11)."),
        ({"reason": ExitReason.REFUSED, "started_at": None}, "It did not start."),
    ],
)
def test_every_ending_has_its_words(ending: dict[str, object], told: str) -> None:
    assert told in shown.result_text(dataclasses.replace(RESULT, **ending))


def test_a_long_output_shows_its_end(cells: Cells) -> None:
    long = "".join(f"line {number}\n" for number in range(5000))
    text, html = cells.shown(dataclasses.replace(RESULT, stdout=long, stderr=""))

    assert "stdout (its end):\n" in text
    assert "line 4999" in text
    assert "line 4800" in text
    assert "line 4799" not in text
    assert "all of it is in <code>.stdout</code>" in html
    assert len(html) < 10_000
    assert len(page.tail("x" * 10_000_000)[0]) == page.TAIL_CHARS


def test_a_status_tells_what_matters(cells: Cells) -> None:
    text, html = cells.shown(NOW)
    for told in ("1 completed, 2 not, 3 results wait to be sent", "2 at once, native", "0.25"):
        assert told in text
        assert told in html
    assert '<th scope="row"' in html


def test_jobs_are_a_list() -> None:
    jobs = Jobs([dataclasses.replace(JOB, job_id=f"job{number:03}") for number in range(60)])

    assert (len(jobs), jobs[59].job_id, jobs[-1].job_id) == (60, "job059", "job059")
    assert [job.job_id for job in jobs[1:3]] == ["job001", "job002"]
    assert jobs[0] in jobs
    assert repr(jobs).startswith("60 jobs, the newest 50 shown\njob ")
    assert repr(jobs).count("\n") == 51
    assert jobs._repr_html_().count("<tr>") == 51
    assert repr(Jobs([])) == "No jobs yet."
    assert "No jobs yet." in Jobs([])._repr_html_()


def test_jobs_become_a_data_frame_where_pandas_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match="pandas is not installed"):
        Jobs([JOB]).to_pandas()

    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(DataFrame=list))
    assert Jobs([JOB]).to_pandas() == [dataclasses.asdict(JOB)]


def test_logs_that_are_empty_say_so() -> None:
    assert repr(Logs("a", "", "")) == "Job a has printed nothing yet."


def test_why_tells_the_last_events_in_words() -> None:
    entries = tuple(
        Entry(f"2026-01-01T00:00:{second:02}.000+00:00", second == 59, f"event {second}")
        for second in range(60)
    )
    told = repr(Why(ProviderState.PAUSED, "You paused it.", entries)).splitlines()

    assert told[0] == "The provider is paused. You paused it."
    assert len(told) == 13
    assert told[-1].endswith(":59 trouble: event 59")


def test_displays_go_with_the_magics(cells: Cells) -> None:
    assert cells.shown(RESULT)[1]
    cells.run("%unload_ext node3nb")

    assert cells.shown(RESULT) == (repr(RESULT), "")
    with pytest.raises(UsageError, match="not found"):
        cells.run("%node3")
