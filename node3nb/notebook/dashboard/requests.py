"""What a view may ask: read strictly, as whatever may stand behind it wrote it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Longest text that any field may hold.
LONGEST = 128
#: What the buttons do.
ACTIONS = ("start", "pause", "drain", "stop")
_KINDS = ("ping", "act", "cancel", "quota", "watch")


@dataclass(frozen=True, slots=True)
class Request:
    """One message of a view."""

    #: What it is: a sign of life, or something to be done.
    kind: str
    #: The view that asks.
    view: str
    #: Its name for the request, which the answer repeats; empty for no answer.
    request_id: str = ""
    #: What a button does; a job's id.
    word: str = ""
    #: Whether the view knows nothing yet.
    new: bool = False
    #: Limits and their values.
    limits: dict[str, int] = field(default_factory=dict)


def read(content: Any) -> Request | None:
    """Return the request that a message holds; None when it holds none."""
    if not isinstance(content, dict) or content.get("kind") not in _KINDS:
        return None
    kind, limits = content["kind"], content.get("limits", {})
    texts = [content.get(name, "") for name in ("view", "request", "word")]
    if not all(isinstance(text, str) and _short(text) for text in texts):
        return None
    if not isinstance(limits, dict) or not all(_limit(*each) for each in limits.items()):
        return None
    if kind == "act" and content.get("word") not in ACTIONS:
        return None
    view, request_id, word = texts
    if kind in {"cancel", "watch"} and not word:
        return None
    return Request(kind, view, request_id, word, new=content.get("new") is True, limits=limits)


def _short(text: str) -> bool:
    # Names of ours and ids of jobs are ASCII; other text takes up to six times its room.
    return len(text) <= LONGEST and text.isascii()


def _limit(name: object, value: object) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return isinstance(name, str) and _short(name) and whole
