"""Log tails: the end of what a watched job prints, and what is new in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from node3nb.inert_text import inert, line
from node3nb.jobs import JobResult
from node3nb.provider import Provider
from node3nb.sizes import shown_bytes

#: Bytes, as they are sent, of the end of each stream.
STREAM_BYTES = 7 * 1024
#: Characters at the beginning of what is there by which it is looked for in what was sent.
ANCHOR = 32
#: Outputs listed.
MOST_OUTPUTS = 20
STREAMS = ("stdout", "stderr")


@dataclass(slots=True)
class Tail:
    """One job whose log is watched, as far as its views know it."""

    #: The job.
    job_id: str
    #: The end of each stream as it was last read.
    raw: tuple[str, ...] = ()
    #: What views have of each stream.
    known: dict[str, str] = field(default_factory=dict)
    #: Whether its end has been told.
    ended: bool = False

    def news(self, provider: Provider, room: int) -> dict[str, Any] | None:
        """Return what is new in at most so many bytes; None when nothing is, or nothing fits."""
        logs = None if self.ended else provider.logs(self.job_id)
        if logs is None:
            return None
        result = provider.result(self.job_id)
        raw = tuple(text[-STREAM_BYTES:] for text in logs)
        if raw == self.raw and result is None:
            return None
        now = {name: end_of(text) for name, text in zip(STREAMS, raw, strict=True)}
        told: dict[str, Any] = {
            name: difference(self.known.get(name, ""), text)
            for name, text in now.items()
            if text != self.known.get(name)
        }
        if result is not None:
            told["outputs"] = _outputs(result)
        if len(json.dumps(told)) > room:
            return None
        self.raw, self.known, self.ended = raw, now, result is not None
        return {"job": self.job_id, **told}


def end_of(text: str) -> str:
    """Return the end of a log, inert, that is not longer than what may be sent of it."""
    end = inert(text)
    while len(json.dumps(end)) > STREAM_BYTES:
        end = end[len(end) // 8 + 1 :]
    return end


def difference(known: str, now: str) -> list[Any]:
    """Return how much of the end of what a view has it keeps, and the text that comes behind it.

    The first is in UTF-16 units, as scripts count; 0 is to begin anew.
    """
    at = known.find(now[:ANCHOR])
    while at >= 0 and not now.startswith(known[at:]):
        at = known.find(now[:ANCHOR], at + 1)
    if at < 0 or not known:
        return [0, now]
    kept = known[at:]
    return [len(kept.encode("utf-16-le")) // 2, now[len(kept) :]]


def _outputs(result: JobResult) -> list[list[str]]:
    listed = result.outputs[:MOST_OUTPUTS]
    rows = [[line(each.path, 60), shown_bytes(each.bytes)] for each in listed]
    more = len(result.outputs) - len(listed)
    return [*rows, [f"and {more} more", ""]] if more else rows
