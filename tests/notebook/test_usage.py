"""What a cell's job used: noted within bounds, drawn for eyes and for ears."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET

import pytest
from support.kernel_cells import Cells

from node3nb.jobs import ExitReason, JobResult, JobState
from node3nb.notebook import usage
from node3nb.notebook.usage import CellResult, Recorder, UsagePoint

SVG = "{http://www.w3.org/2000/svg}"
RESULT = CellResult("job", JobState.COMPLETED, ExitReason.EXITED)
POINTS = tuple(UsagePoint(float(s), s << 20, s / 2) for s in range(1, 5))


def test_a_long_run_is_noted_in_few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(100_000))
    monkeypatch.setattr(usage.time, "monotonic", lambda: float(next(now)))
    recorder = Recorder()
    recorder.usage(1, 0.0)
    assert recorder.points == (), "it has not begun"
    recorder.state(JobState.RUNNING)
    for second in range(10_000):
        recorder.usage(5_000_000 if second == 777 else 1000, float(second))
        assert len(recorder.points) <= usage.MAX_POINTS

    points = recorder.points
    assert len(points) > usage.MAX_POINTS // 3
    assert [p.at_s for p in points] == sorted(p.at_s for p in points)
    assert max(p.memory_bytes for p in points) == 5_000_000, "a peak is not thinned out"
    assert points[-1].cpu_s > 9_800


def test_a_run_is_drawn_in_the_page_s_own_colour() -> None:
    html = usage.drawn(dataclasses.replace(RESULT, usage_over_time=POINTS))
    svg = ET.fromstring(html.replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" ', 1))

    assert svg.get("role") == "img"
    assert svg.get("stroke") == "currentColor"
    title, told = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
    assert title is not None
    assert told is not None
    assert svg.get("aria-labelledby") == f"{title.get('id')} {told.get('id')}"
    assert title.text == "Memory and CPU of the job over 4 seconds"
    assert told.text == "Solid line: memory up to 4 MiB; dashed line: CPU up to 0.5 cores."
    assert len(svg.findall(f"{SVG}polyline")) == 2
    assert len(html) < 2000
    numbers = [
        float(n)
        for line in svg.iter(f"{SVG}polyline")
        for xy in line.get("points", "").split()
        for n in xy.split(",")
    ]
    assert all(0 <= number <= 320 for number in numbers)


@pytest.mark.parametrize(
    "result",
    [
        JobResult("job", JobState.COMPLETED, ExitReason.EXITED),
        dataclasses.replace(RESULT, usage_over_time=POINTS[:2]),
    ],
    ids=["of a marketplace", "short"],
)
def test_what_says_no_more_than_the_figures_is_not_drawn(result: JobResult) -> None:
    assert usage.drawn(result) == ""


def test_nothing_used_and_no_time_are_drawn_too() -> None:
    still = (UsagePoint(0.0, 0, 0.0),) * 5
    assert "<svg" in usage.drawn(dataclasses.replace(RESULT, usage_over_time=still))


def test_a_cell_of_a_few_seconds_comes_with_its_drawing(cells: Cells) -> None:
    result = cells.run("%%node3 run\nimport time\ntime.sleep(3.5)")
    assert len(result.usage_over_time) >= usage.LEAST_DRAWN
    text, html = cells.shown(result)
    assert "<svg" in html
    assert "UsagePoint" not in text


def test_what_is_done_before_a_run_is_told_until_it_runs() -> None:
    recorder = Recorder()
    recorder.note("Pulling python:3.11-slim: 12 of 40 MiB.")
    assert "12 of 40 MiB" in recorder.step
    recorder.state(JobState.RUNNING)
    assert not recorder.step
