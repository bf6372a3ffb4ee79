"""What a cell's job used while it ran: noted, thinned out, drawn."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from node3nb.jobs import JobResult, JobState
from node3nb.notebook import page
from node3nb.sizes import shown_bytes

#: Points of one run that are kept.
MAX_POINTS = 200
#: Points from which a drawing says more than the figures do.
LEAST_DRAWN = 3

_WIDTH, _HEIGHT, _TEXT = 320, 48, 14


@dataclass(frozen=True, slots=True)
class UsagePoint:
    """What a job used at one moment."""

    #: Seconds since it began to run.
    at_s: float
    #: Memory of its tree, in bytes; the most since the point before.
    memory_bytes: int
    #: CPU time it had used by then, in seconds.
    cpu_s: float


@dataclass(frozen=True, slots=True, repr=False)
class CellResult(JobResult):
    """How a cell's job ended, and what it used on the way."""

    #: What it used, in the order of time; a run of less than a few seconds has hardly any.
    usage_over_time: tuple[UsagePoint, ...] = ()


class Recorder:
    """The reporter of a cell's job: notes what happens, and carries the wish for its end."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self._lock = threading.Lock()
        self._points: list[UsagePoint] = []
        self._stride = 1
        self._since: list[UsagePoint] = []
        self._began: float | None = None
        #: Where the job stands.
        self.now = JobState.ACCEPTED
        #: What is done for it before it runs, in a sentence; empty when there is nothing to tell.
        self.step = ""

    def state(self, state: JobState) -> None:
        """Take note of the job's next state."""
        if state is JobState.RUNNING:
            self._began = time.monotonic()
            self.step = ""
        self.now = state

    def note(self, text: str) -> None:
        """Take note of what is done for the job before it runs, such as the pull of its image."""
        self.step = text

    def usage(self, memory_bytes: int, cpu_s: float) -> None:
        """Take note of what the running job uses now."""
        if self._began is None:
            return
        point = UsagePoint(self.ran_s, memory_bytes, cpu_s)
        with self._lock:
            self._since.append(point)
            if len(self._since) >= self._stride:
                self._points.append(_merged(self._since))
                self._since = []
            if len(self._points) > MAX_POINTS:
                pairs = zip(self._points[::2], self._points[1::2], strict=False)
                self._points = [_merged(pair) for pair in pairs]
                self._stride *= 2

    @property
    def ran_s(self) -> float:
        """Seconds since the job began to run."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    @property
    def points(self) -> tuple[UsagePoint, ...]:
        """What has been noted, thinned out."""
        with self._lock:
            return tuple(self._points)


def _merged(points: Sequence[UsagePoint]) -> UsagePoint:
    """Return the last of several points, with the highest memory of them."""
    last = points[-1]
    return UsagePoint(last.at_s, max(each.memory_bytes for each in points), last.cpu_s)


def drawn(result: JobResult) -> str:
    """Return a small drawing of what a job used, as SVG in HTML; empty when there is little.

    It takes the colour of the text around it, so that it suits a light and a dark page.
    """
    points = result.usage_over_time if isinstance(result, CellResult) else ()
    if len(points) < LEAST_DRAWN:
        return ""
    cores = [(0.0, 0.0), *((each.at_s, rate) for each, rate in _rates(points))]
    memory = [(each.at_s, float(each.memory_bytes)) for each in points]
    most_memory, most_cores = max(y for _, y in memory), max(y for _, y in cores)
    said = f"memory up to {shown_bytes(most_memory)}, CPU up to {most_cores:.2g} cores"
    name = f"node3-{page.escape(result.job_id)}"
    end_s = points[-1].at_s
    return (
        f'<svg role="img" aria-labelledby="{name}-t {name}-d" width="{_WIDTH}" '
        f'height="{_HEIGHT + _TEXT}" viewBox="0 0 {_WIDTH} {_HEIGHT + _TEXT}" '
        'fill="none" stroke="currentColor" style="color: inherit; max-width: 100%">'
        f'<title id="{name}-t">Memory and CPU of the job over {end_s:.0f} seconds</title>'
        f'<desc id="{name}-d">Solid line: {said.replace(", ", "; dashed line: ")}.</desc>'
        f'<polyline stroke-width="1.5" points="{_line(memory, end_s, most_memory)}"/>'
        f'<polyline stroke-width="1" stroke-dasharray="3 2" '
        f'points="{_line(cores, end_s, most_cores)}"/>'
        f'<text x="0" y="{_HEIGHT + _TEXT - 3}" font-size="11" fill="currentColor" stroke="none">'
        f"— {page.escape(said).replace(', ', ' · - - ')} · {end_s:.0f} s</text></svg>"
    )


def _rates(points: Sequence[UsagePoint]) -> list[tuple[UsagePoint, float]]:
    """Return each point with the cores that were busy since the one before."""
    before, rates = UsagePoint(0.0, 0, 0.0), []
    for each in points:
        span_s = each.at_s - before.at_s
        rates.append((each, max(0.0, each.cpu_s - before.cpu_s) / span_s if span_s > 0 else 0.0))
        before = each
    return rates


def _line(values: Sequence[tuple[float, float]], end_s: float, most: float) -> str:
    return " ".join(
        f"{1 + x / (end_s or 1) * (_WIDTH - 2):.1f},{_HEIGHT - y / (most or 1) * (_HEIGHT - 2):.1f}"
        for x, y in values
    )
