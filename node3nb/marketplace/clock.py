"""The marketplace's time: seconds since 1970, from a clock that a test can set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

#: Returns the time now.
Clock = Callable[[], float]


def iso(seconds: float) -> str:
    """Return a time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def iso_or_none(seconds: float | None) -> str | None:
    """Return a time as ISO 8601 in UTC, where there is one."""
    return None if seconds is None else iso(seconds)
