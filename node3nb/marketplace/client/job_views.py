"""Calls by which people look at their jobs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from node3nb.errors import MarketplaceBadAnswer
from node3nb.marketplace.client.answers import raise_for_status, read_as, read_object
from node3nb.marketplace.client.channel import Channel
from node3nb.marketplace.client.deadline import Deadline
from node3nb.marketplace.wire import protocol

#: Status of an answer that the caller still has (RFC 9110, 15.4.5), and longest name of one.
NOT_MODIFIED, MAX_ETAG = 304, 256
#: Seconds one call may take, its wait on the server not counted.
ANSWER_S = 120.0


class JobViews(ABC):
    """The calls, for a client that has a line to its marketplace."""

    _calls: Channel

    @property
    @abstractmethod
    def headers(self) -> Mapping[str, str]:
        """What authenticates us."""

    @abstractmethod
    def _call(self, method: str, path: str, **sent: Any) -> dict[str, Any]: ...

    def job(
        self, job_id: str, within_s: float = ANSWER_S, before: protocol.JobView | None = None
    ) -> protocol.JobView:
        """Return a job as its submitter sees it.

        Parameters
        ----------
        job_id
            The job.
        within_s
            The answer comes within so many seconds.
        before
            What an earlier call returned: it is returned again when nothing has changed, and a
            marketplace that can tell does not send it again.
        """
        named = before.etag if before is not None else ""
        headers = {**self.headers, **({"If-None-Match": named} if named else {})}
        call, deadline = self._calls.request, Deadline(within_s)
        with call("GET", f"/api/jobs/{job_id}", deadline, headers=headers) as answer:
            if named and before is not None and answer.status_code == NOT_MODIFIED:
                return before
            raise_for_status(answer, {})
            view = read_as(protocol.JobView, read_object(answer))
            etag = answer.headers.get("ETag", "")
        if view.job_id != job_id:
            raise MarketplaceBadAnswer("The marketplace answered about another job; check its URL.")
        return view.model_copy(update={"etag": etag if len(etag) <= MAX_ETAG else ""})

    def listed(self, job_id: str) -> str:
        """Return the status of a job in the list of all, which every marketplace has.

        Empty when the list does not hold it.
        """
        jobs = self._call("GET", "/api/jobs").get("jobs")
        for each in jobs if isinstance(jobs, list) else []:
            if isinstance(each, dict) and each.get("job_id") == job_id:
                return str(each.get("status"))
        return ""

    def jobs(self, **query: str) -> list[protocol.JobView]:
        """Return the jobs this key may see, newest first: the first page of them."""
        return self.jobs_page(**query)[0]

    def jobs_page(self, **query: str) -> tuple[list[protocol.JobView], str | None]:
        """Return a page of the jobs this key may see, newest first, and the cursor of the next.

        Parameters
        ----------
        **query
            `status`, `limit`, and the `cursor` of the page before.
        """
        answer = self._call("GET", "/api/jobs", params=query)
        listed, cursor = answer.get("jobs"), answer.get("cursor")
        if not isinstance(listed, list):
            raise MarketplaceBadAnswer
        views = [read_as(protocol.JobView, each) for each in listed]
        return views, cursor if isinstance(cursor, str) and cursor else None
