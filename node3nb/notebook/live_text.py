"""A submitted job's log, printed into a cell as it comes."""

from __future__ import annotations

import codecs

from node3nb import inert_text
from node3nb.jobs import JobResult
from node3nb.marketplace.client.log_calls import LogPiece

_BEGUN_ANEW = "\n[The job has begun anew, with another provider or the same.]\n"
_END_MISSING = "\n[The end of the log did not arrive; `.logs()` has it.]\n"


class LiveText:
    """Prints pieces of one log, and keeps of them only how much it has printed."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._attempt: int | None = None
        self._printed = 0

    def print(self, piece: LogPiece) -> None:
        """Print a piece; one of a later attempt is announced."""
        if self._attempt not in {None, piece.place.attempt}:
            _print(_BEGUN_ANEW)
            self._printed = 0
            self._decoder.reset()
        self._attempt = piece.place.attempt
        self._printed += len(piece.content)
        _print(inert_text.inert(self._decoder.decode(piece.content)))

    def print_rest(self, result: JobResult) -> None:
        """Print what the result has beyond that: all of a job that ended before a piece was sent.

        Of two streams nobody knows where each was left, so what is missing is only told.
        """
        streams = [each.encode("utf-8", "replace") for each in (result.stdout, result.stderr)]
        if not self._printed or not all(streams):
            rest = b"".join(streams)[self._printed :]
            _print(inert_text.inert(rest.decode("utf-8", "replace")))
        elif self._printed < sum(map(len, streams)):
            _print(_END_MISSING)


def _print(text: str) -> None:
    print(text, end="", flush=True)  # noqa: T201 - asked for
