"""A stranger's text is no formula: MathJax would make links and boxes of any size of it."""

from __future__ import annotations

from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from support.kernel_cells import Cells

from node3nb.agent.journal import Entry
from node3nb.agent.records import JobSummary, ProviderState, Snapshot
from node3nb.jobs import ExitReason, JobResult, JobState, OutputFile
from node3nb.marketplace.wire.protocol import JobView
from node3nb.notebook import snapshot
from node3nb.notebook.answers import Logs, Outputs, Why
from node3nb.notebook.jobs_list import Jobs
from node3nb.notebook.progress import Progress
from node3nb.notebook.submitted import SubmittedJob

FORMULA = r"$\href{https://evil.example/}{x}$"
NOON = "2026-01-01T12:00:00+00:00"
RESULT = JobResult(
    FORMULA,
    JobState.FAILED,
    ExitReason.INTERNAL,
    message=FORMULA,
    executor=FORMULA,
    started_at=NOON,
    stdout=FORMULA,
    stderr=FORMULA,
    outputs=(OutputFile(FORMULA, 1, FORMULA),),
)
JOB = JobSummary(
    FORMULA, FORMULA, FORMULA, JobState.RUNNING, "native", "", NOON, 1, 2, 0.0, 0.0, FORMULA
)
NOW = Snapshot(
    state=ProviderState.RUNNING,
    reason=FORMULA,
    marketplace_url=FORMULA,
    agent_id=FORMULA,
    slots=2,
    executors=("native",),
    isolation=None,
    jobs=(JOB,),
    completed=1,
    failed=2,
    earned=0.25,
    undelivered=3,
)


class Told:
    """What a marketplace tells of a job."""

    url = FORMULA

    def job(self, job_id: str, within_s: float) -> JobView:
        del within_s
        return JobView(job_id=job_id, status=FORMULA, agent_id=FORMULA, error_message=FORMULA)


SUBMITTED = SubmittedJob(Told(), FORMULA)
SUBMITTED.view()


class Typeset(HTMLParser):
    """The texts that MathJax, as pages have it set up by default, looks for formulas in."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self._open: list[bool] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = set((dict(attrs).get("class") or "").split())
        self._open.append(tag in {"pre", "code"} or {"mathjax_ignore", "tex2jax_ignore"} <= classes)

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._open):
            self.texts.append(data)


@pytest.mark.parametrize(
    "value",
    [
        RESULT,
        NOW,
        Jobs([JOB]),
        Logs(FORMULA, "", ""),
        Logs("a", FORMULA, FORMULA),
        Outputs(FORMULA, RESULT.outputs),
        Outputs(FORMULA, None),
        SUBMITTED,
        Why(ProviderState.PAUSED, FORMULA, (Entry(NOON, True, FORMULA),)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_display_has_a_formula(cells: Cells, value: object) -> None:
    text, html = cells.shown(value)
    assert "$" in text
    assert "".join(Typeset(html).texts).strip() == ""


def test_neither_has_the_dashboards_twin() -> None:
    assert "".join(Typeset(snapshot.bundle(NOW)["text/html"]).texts).strip() == ""


def test_neither_has_a_line_of_progress() -> None:
    published: list[Any] = []
    pages = SimpleNamespace(publish=lambda data, **_: published.append(data))
    shell = SimpleNamespace(
        display_pub=pages, kernel=None, get_parent=lambda: {"content": {"allow_stdin": True}}
    )
    Progress(shell, 1e-9)(FORMULA)
    assert FORMULA in published[0]["text/html"]
    assert Typeset(published[0]["text/html"]).texts == []
