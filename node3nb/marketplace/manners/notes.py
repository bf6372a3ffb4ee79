"""The log: a line for each call and each failure, for people or as JSON; nothing secret in it."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from types import TracebackType
from typing import Any

from node3nb.marketplace.clock import iso
from node3nb.marketplace.manners.visit import Visit
from node3nb.marketplace.settings import LogFormat

#: Attribute of a record that holds its facts.
FACTS = "facts"
#: Frames of a failure that are noted, counted from where it happened.
FRAMES = 30

_log = logging.getLogger("node3nb.marketplace.calls")


def call(visit: Visit) -> None:
    """Note a call that is over: never its path, its body or its key."""
    if _log.isEnabledFor(logging.INFO):
        _log.info("call", extra={FACTS: _facts(visit)})


def failure(visit: Visit, error: BaseException) -> None:
    """Note what went wrong in a call: what and where, not with which values."""
    _log.error("failure", exc_info=error, extra={FACTS: _facts(visit)})


def _facts(visit: Visit) -> dict[str, Any]:
    caller = visit.caller
    return {
        "request_id": visit.request_id,
        "method": visit.method,
        "route": visit.route,
        "status": visit.status,
        "duration_ms": round(visit.duration_s * 1000, 3),
        "caller": f"{caller.role}:{caller.owner}" if caller else None,
    }


def configure(style: LogFormat, level: str) -> None:
    """Have this process write its log to standard error.

    What uvicorn notes of strangers' broken requests is left out: they could fill a disk with it.

    Parameters
    ----------
    style
        How a line looks.
    level
        What is left out, as `logging` names it; lines of calls are `info`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if style is LogFormat.JSON else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)


class JsonLines(logging.Formatter):
    """A JSON object on a line for each record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told = {
            "time": iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": os.getpid(),
            "message": record.getMessage(),
            **getattr(record, FACTS, {}),
        }
        if record.exc_info and record.exc_info[1]:
            told["error"] = _named(record.exc_info[1])
            told["frames"] = _frames(record.exc_info[2])
        return json.dumps(told, default=str)


class TextLines(logging.Formatter):
    """A line for people for each record, and one below for each frame of a failure."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        facts = " ".join(f"{name}={value}" for name, value in getattr(record, FACTS, {}).items())
        line = f"{iso(record.created)} {record.levelname} {record.getMessage()} {facts}".rstrip()
        if not record.exc_info or not record.exc_info[1]:
            return line
        frames = "".join(f"\n  {frame}" for frame in _frames(record.exc_info[2]))
        return f"{line} error={_named(record.exc_info[1])}{frames}"


def _named(error: BaseException) -> str:
    """Return the kind of an error: its message may hold what somebody sent."""
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _frames(trace: TracebackType | None) -> list[str]:
    found = traceback.extract_tb(trace)[-FRAMES:]
    return [f"{os.path.basename(each.filename)}:{each.lineno} {each.name}" for each in found]
