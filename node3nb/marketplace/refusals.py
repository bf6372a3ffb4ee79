"""Why the marketplace refuses a call: one class per status code, one sentence each."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from node3nb.errors import Node3Error


class Refusal(Node3Error):
    """The marketplace does not do that; see its protocol.

    Parameters
    ----------
    message
        One sentence for the caller; it holds no key and no token.
    facts
        What the caller needs to go on, sent beside the sentence.
    """

    #: Status code of the answer.
    status: ClassVar[int] = 400
    #: Whether the connection is closed after it.
    hangs_up: ClassVar[bool] = False

    def __init__(self, message: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts

    @classmethod
    def kind(cls) -> str:
        """Return the name that programs know this kind by: its class's, in small letters."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower()


class TwoLengths(Refusal):
    """Content-Length, Transfer-Encoding: only one of them can hold; send one."""

    hangs_up = True


class WrongState(Refusal):
    """The job is not in a state that allows this; ask for its status."""


class KeyMissing(Refusal):
    """X-API-Key: no valid key was sent; send yours in this header."""

    status = 401


class NotAllowed(Refusal):
    """X-API-Key: this key may not do that; use one of the right kind."""

    status = 403


class NotYours(Refusal):
    """The job is not yours; accept it first."""

    status = 403


class Unknown(Refusal):
    """job_id: there is no such job."""

    status = 404


class NotOffered(Refusal):
    """This marketplace keeps files itself; send yours to it with PUT."""

    status = 405


class Superseded(Refusal):
    """lease_id: the job no longer belongs to this lease; drop its result."""

    status = 409


class Conflict(Refusal):
    """The call contradicts what the marketplace already holds; ask for the job's state."""

    status = 409


class TooSlow(Refusal):
    """The body came too slowly; send it again over a faster line."""

    status = 408
    hangs_up = True


class TooLarge(Refusal):
    """The body is larger than the marketplace takes; send less."""

    status = 413


class QueryTooLong(Refusal):
    """The URL's query is longer than the marketplace reads; send less in it."""

    status = 414


class Unacceptable(Refusal):
    """A field of the call is not acceptable; correct it and send it again."""

    status = 422


class TooMany(Refusal):
    """There are more calls than the marketplace takes from you; come back later."""

    status = 429


class HeadTooLarge(Refusal):
    """The headers are larger than the marketplace reads; send fewer or shorter ones."""

    status = 431


class Unavailable(Refusal):
    """The marketplace's database does not answer; try again in a few seconds."""

    status = 503


class Undecided(Unavailable):
    """This may have happened: the database was lost as it wrote it; look, then try again."""


class OverQuota(Refusal):
    """The submitter of this job has as much kept as it may have; wait until some is removed."""

    status = 507


class StoreFull(Refusal):
    """The marketplace has no room for files now; send it again later."""

    status = 507


class StoreAway(Refusal):
    """The place where this marketplace keeps files does not answer; try again later."""

    status = 503
