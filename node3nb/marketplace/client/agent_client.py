"""A marketplace as an agent calls it: from many threads, and with few calls where jobs are short.

What several threads report and accept at once goes in one call, a turn, where the marketplace
knows such; an agent whose jobs end faster than calls are answered is offered its next ones with
it.  A marketplace without turns gets a call for each.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from node3nb.errors import (
    CallNotOffered,
    MarketplaceBadAnswer,
    MarketplaceRejected,
    MarketplaceUnauthorized,
)
from node3nb.job_checks import printable
from node3nb.marketplace.client.ahead import Ahead
from node3nb.marketplace.client.answers import NOT_OURS, read_as, refusal
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.client.grouped import Grouped
from node3nb.marketplace.wire import protocol
from node3nb.marketplace.wire.turn_wire import MOST_OF_A_KIND, Told, Turn, Turned

#: Bytes of the reports that go together: a third of what a call may hold, as JSON may escape them.
MOST_BYTES = 512 * 1024

#: Seconds a report waits at the most for an acceptance to go with.
LINGER_S = 0.02
#: Payout address of a turn that accepts nothing, which has to name one all the same.
NOBODY = "none"

_Answer = TypeVar("_Answer", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What one thread tells the marketplace about one job."""

    #: Which call it would be.
    kind: Literal["completed", "failed", "accepted"]
    #: The job.
    job_id: str
    #: What is told: a report, or the name of the request to accept.
    said: Any

    @property
    def size(self) -> int:
        """About how many bytes that takes."""
        if isinstance(self.said, BaseModel):
            return len(self.said.model_dump_json(exclude_unset=True))
        return len(self.said)


class AgentClient(MarketplaceClient):
    """One marketplace and one agent's key, for many jobs at once."""

    def __init__(self, url: str, key: str = "", *, allow_insecure_http: bool = False) -> None:
        super().__init__(url, key, allow_insecure_http=allow_insecure_http)
        self._turns: Grouped[_Wish, Told | None] = Grouped(self._turn, _fitting)
        self._knows_turns = True
        self._wallet_address = ""
        self._ahead = Ahead()

    def complete(self, job_id: str, completion: protocol.Completion) -> None:
        """Report a job that succeeded; may be repeated."""
        told = self._reported(_Wish("completed", job_id, completion))
        if told is None:
            super().complete(job_id, completion)
        else:
            _read(told, protocol.Outcome)

    def fail(self, job_id: str, failed: protocol.Failure) -> None:
        """Report a job that did not succeed; may be repeated."""
        told = self._reported(_Wish("failed", job_id, failed))
        if told is None:
            super().fail(job_id, failed)
        else:
            _read(told, protocol.Outcome)

    def accept(self, job_id: str, wallet_address: str, request_id: str = "") -> protocol.Accepted:
        """Take a job; a marketplace of ours takes two calls with one `request_id` for one."""
        self._wallet_address, request_id = wallet_address, request_id or uuid.uuid4().hex
        told = self._turns.do(_Wish("accepted", job_id, request_id))
        if told is None:
            return super().accept(job_id, wallet_address, request_id)
        return _read(told, protocol.Accepted)

    def available(self, query: protocol.AvailableQuery) -> list[Any]:
        """Return the jobs on offer, unread: those that were offered ahead, or else new ones."""
        with self._ahead.polling(query) as offered:
            return offered or super().available(query)

    def _reported(self, wish: _Wish) -> Told | None:
        """Report in a turn; where the next acceptance is near, it may take the report along."""
        self._ahead.ended()
        return self._turns.do(wish, LINGER_S if self._ahead.at_hand else 0.0)

    def _turn(self, wishes: Sequence[_Wish]) -> Sequence[Told | Exception | None]:
        """Tell the marketplace all of that at once; None for what has to be a call of its own."""
        if self._knows_turns:
            with self._ahead.asking() as query:
                if query is not None or len(wishes) > 1:
                    return self._told(wishes, query)
        return [None] * len(wishes)

    def _told(
        self, wishes: Sequence[_Wish], query: protocol.AvailableQuery | None
    ) -> Sequence[Told | Exception | None]:
        try:
            turned = self._post("/api/jobs/turn", self._asked(wishes, query), Turned)
        except (CallNotOffered, MarketplaceUnauthorized):
            self._knows_turns = False  # a gateway may answer 403 to what it does not know
        except MarketplaceRejected:
            pass  # one of them is not understood, which the others must not suffer for
        else:
            self._ahead.offered(turned.jobs)
            return [getattr(turned, wish.kind).get(wish.job_id, _UNANSWERED) for wish in wishes]
        return [None] * len(wishes)

    def _asked(self, wishes: Sequence[_Wish], query: protocol.AvailableQuery | None) -> Turn:
        said: dict[str, Any] = {} if query is None else {"query": query}
        for wish in wishes:
            said.setdefault(wish.kind, {})[wish.job_id] = wish.said
        return Turn(wallet_address=self._wallet_address or NOBODY, **said)


#: What a marketplace has said of a job that its answer does not name.
_UNANSWERED = MarketplaceBadAnswer("The marketplace's answer leaves out a job it was asked about.")


def _fitting(wishes: Sequence[_Wish]) -> int:
    """Return how many may go in one turn: it names a job once, and has bounds."""
    named: set[str] = set()
    size = 0
    for count, wish in enumerate(wishes[:MOST_OF_A_KIND]):
        size += wish.size
        if size > MOST_BYTES or wish.job_id in named:
            return count
        named.add(wish.job_id)
    return min(len(wishes), MOST_OF_A_KIND)


def _read(told: Told, answer: type[_Answer]) -> _Answer:
    """Return the answer about one job, as the call of its own reads it.

    Raises
    ------
    MarketplaceError
        What its refusal means.
    """
    if told.code >= 300:
        said = printable(told.detail, 300).strip("'\"")
        raise refusal(told.code, said, NOT_OURS)
    return read_as(answer, told.answer)
