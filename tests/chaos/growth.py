"""What grows with the number of jobs, told from what only comes and goes."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from chaos.census import Figures

#: What a job may add of each kind of figure, and what may be added in all however few the jobs:
#: an allocator takes memory by the MiB and gives little of it back, calls and jobs come and go.
PER_JOB = {"kib": 0.75, "blocks": 0.5, "fds": 0.002, "threads": 0.002, "number": 0.002}
IN_ALL = {"kib": 2048.0, "blocks": 2000.0, "fds": 10.0, "threads": 6.0, "number": 10.0}


@dataclass(frozen=True, slots=True)
class Row:
    """What there is after so many jobs."""

    #: Jobs that have ended.
    jobs: int
    #: Seconds since the first.
    seconds: float
    #: What was counted.
    figures: Figures


def growth(rows: Sequence[Row]) -> list[str]:
    """Return what grows, in words.

    Only the second half counts: by then caches are full.  The slope is the median of those between
    any two rows (Theil and Sen), which a few odd rows don't move.
    """
    late = [row for row in rows if row.jobs * 2 >= rows[-1].jobs]
    span = late[-1].jobs - late[0].jobs
    return [
        f"{name}: {slope:+.3f} a job, from {late[0].figures[name]:g} to {late[-1].figures[name]:g}"
        for name in late[0].figures
        if (slope := _slope(late, name)) * span > _allowed(name, span)
    ]


def _slope(rows: Sequence[Row], name: str) -> float:
    pairs = itertools.combinations(rows, 2)
    return statistics.median(
        (second.figures[name] - first.figures[name]) / (second.jobs - first.jobs)
        for first, second in pairs
    )


def _allowed(name: str, span: int) -> float:
    """Return how much a figure may grow in so many jobs."""
    what = name.rpartition(".")[2]
    what = what if what in PER_JOB else "number"
    return max(PER_JOB[what] * span, IN_ALL[what])
