"""History: the cells this notebook has run and submitted as jobs."""

from __future__ import annotations

import datetime as dt
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from node3nb.errors import MarketplaceError
from node3nb.notebook.handles import Handle, standing
from node3nb.notebook.listing import Listing

#: Cells remembered.
KEPT = 200
#: Seconds for which marketplaces are asked before a history is shown.
REFRESH_S = 2.0


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


class History(Listing[Sent]):
    """The cells that were sent off, newest first."""

    heads = ("job", "where", "begun", "stands", "cell")
    noun = "cell"
    none = (
        "No cell has been run or submitted as a job yet; `%node3 market jobs` lists those that "
        "other notebooks have sent."
    )
    times = ("begun_at", "as_of")

    def __init__(self, items: Sequence[Sent] = ()) -> None:
        super().__init__()
        self._items = self._sent = deque(items, maxlen=KEPT)

    def add(self, job: Handle, where: str, cell: str) -> None:
        """Remember one more; the oldest may be forgotten for it."""
        lines = [line.strip() for line in cell.splitlines()]
        first = next((line for line in lines if line and not line.startswith("#")), "")
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        self._sent.appendleft(Sent(job, where, now, first))

    def refresh(self) -> None:
        """Learn where the jobs stand, for `REFRESH_S` in all; what is not learnt shows its age."""
        due, silent = time.monotonic() + REFRESH_S, set()
        for each in self:
            left_s = due - time.monotonic()
            if left_s > 0 and each.where not in silent:
                try:
                    each.job.refresh(left_s)
                except MarketplaceError:
                    silent.add(each.where)

    def find(self, job_id: str) -> Handle | None:
        """Return a job by its id, or by the only one that begins so."""
        alike = [each.job for each in self if each.job.job_id.startswith(job_id)]
        exact = [job for job in alike if job.job_id == job_id]
        return (exact or alike)[0] if exact or len(alike) == 1 else None

    @staticmethod
    def row(item: Sent) -> tuple[str, ...]:
        """Return what the columns say of one cell."""
        begun = f"{dt.datetime.fromisoformat(item.begun_at).astimezone():%H:%M:%S}"
        return (item.job.job_id[:12], item.where, begun, standing(item.job), item.cell)

    @staticmethod
    def fields(item: Sent) -> dict[str, Any]:
        """Return one cell as plain data."""
        return {
            "job_id": item.job.job_id,
            "where": item.where,
            "begun_at": item.begun_at,
            "stands": item.job.stands,
            "as_of": item.job.as_of.isoformat() if item.job.as_of else None,
            "cell": item.cell,
        }
