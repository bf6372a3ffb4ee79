"""History: the cells this notebook has run and submitted as jobs."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from node3nb.notebook import frames, page
from node3nb.notebook.handles import Handle

#: Cells remembered, and cells shown.
KEPT, SHOWN = 200, 50
HEADS = ("job", "where", "begun", "stands", "cell")


@dataclass(frozen=True, slots=True)
class Sent:
    """One cell that was sent off as a job."""

    #: The job, to be asked and told.
    job: Handle
    #: `here`, or the marketplace it was submitted to.
    where: str
    #: When, as ISO 8601 in UTC.
    begun_at: str
    #: The first line of the cell that says something.
    cell: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "job_id": self.job.job_id,
            "where": self.where,
            "begun_at": self.begun_at,
            "stands": self.job.stands,
            "cell": self.cell,
        }


class History(Sequence[Sent]):
    """The cells that were sent off, newest first."""

    def __init__(self, sent: Sequence[Sent] = ()) -> None:
        self._sent = deque(sent, maxlen=KEPT)

    def add(self, job: Handle, where: str, cell: str) -> None:
        """Remember one more; the oldest may be forgotten for it."""
        lines = [line.strip() for line in cell.splitlines()]
        first = next((line for line in lines if line and not line.startswith("#")), "")
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        self._sent.appendleft(Sent(job, where, now, first))

    def find(self, job_id: str) -> Handle | None:
        """Return a job by its id, or by the only one that begins so."""
        alike = [each.job for each in self._sent if each.job.job_id.startswith(job_id)]
        exact = [job for job in alike if job.job_id == job_id]
        return (exact or alike)[0] if exact or len(alike) == 1 else None

    def copy(self) -> History:
        """Return what there is now."""
        return History(self._sent)

    def __len__(self) -> int:
        return len(self._sent)

    def __iter__(self) -> Iterator[Sent]:
        return iter(tuple(self._sent))

    @overload
    def __getitem__(self, index: int) -> Sent: ...
    @overload
    def __getitem__(self, index: slice) -> History: ...
    def __getitem__(self, index: int | slice) -> Sent | History:
        sent = tuple(self._sent)
        return History(sent[index]) if isinstance(index, slice) else sent[index]

    def to_pandas(self) -> Any:
        """Return the cells as a pandas DataFrame, one row each.

        Raises
        ------
        ConfigError
            pandas is not installed.
        """
        return frames.data_frame([each.to_dict() for each in self._sent], times=("begun_at",))

    def __repr__(self) -> str:
        if not self._sent:
            return self._caption()
        return f"{self._caption()}\n{page.columns(HEADS, map(_row, self[:SHOWN]))}"

    def _repr_html_(self) -> str:
        if not self._sent:
            return page.sentence(self._caption())
        return page.table(self._caption(), HEADS, map(_row, self[:SHOWN]))

    def _caption(self) -> str:
        count = len(self._sent)
        if not count:
            return "No cell has been run or submitted as a job yet."
        newest = f", the newest {SHOWN} shown" if count > SHOWN else ""
        return f"{count} cell{'s' if count > 1 else ''}{newest}"


def _row(sent: Sent) -> tuple[str, ...]:
    begun = f"{dt.datetime.fromisoformat(sent.begun_at).astimezone():%H:%M:%S}"
    return (sent.job.job_id[:12], sent.where, begun, sent.job.stands, sent.cell)
