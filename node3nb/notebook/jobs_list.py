"""Jobs: what a provider has run, as a list that a notebook can show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, overload

from node3nb.agent.records import JobSummary
from node3nb.notebook import frames, page
from node3nb.sizes import shown_bytes

#: Jobs shown; the list itself has all.
SHOWN = 50
HEADS = ("job", "state", "command", "memory", "CPU", "executor", "reward", "message")


class Jobs(Sequence[JobSummary]):
    """Jobs of a provider at one moment, newest first."""

    def __init__(self, jobs: Sequence[JobSummary]) -> None:
        self._jobs = tuple(jobs)

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[JobSummary]:
        return iter(self._jobs)

    @overload
    def __getitem__(self, index: int) -> JobSummary: ...
    @overload
    def __getitem__(self, index: slice) -> Jobs: ...
    def __getitem__(self, index: int | slice) -> JobSummary | Jobs:
        return Jobs(self._jobs[index]) if isinstance(index, slice) else self._jobs[index]

    def to_pandas(self) -> Any:
        """Return the jobs as a pandas DataFrame, one row each.

        Raises
        ------
        ConfigError
            pandas is not installed.
        """
        return frames.data_frame([asdict(job) for job in self._jobs], times=("accepted_at",))

    def __repr__(self) -> str:
        if not self._jobs:
            return self._caption()
        return f"{self._caption()}\n{page.columns(HEADS, map(cells_of, self._jobs[:SHOWN]))}"

    def _repr_html_(self) -> str:
        if not self._jobs:
            return page.sentence(self._caption())
        return page.table(self._caption(), HEADS, map(cells_of, self._jobs[:SHOWN]))

    def _caption(self) -> str:
        count = len(self._jobs)
        if not count:
            return "No jobs yet."
        newest = f", the newest {SHOWN} shown" if count > SHOWN else ""
        return f"{count} job{'s' if count > 1 else ''}{newest}"


def cells_of(job: JobSummary) -> tuple[str, ...]:
    """Return what the columns of `HEADS` say of one job."""
    memory = f"{shown_bytes(job.memory_bytes)} of {shown_bytes(job.memory_limit_bytes)}"
    return (
        job.job_id[:12],
        job.state,
        job.command,
        memory,
        f"{job.cpu_s:.2f} s",
        job.executor,
        f"{job.reward:g}",
        job.message,
    )
