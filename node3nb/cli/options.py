"""Options that several commands share."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any

from node3nb import inert_text
from node3nb.jobs import ExitReason, Isolation, JobResult, ResourceLimits
from node3nb.sizes import parse_bytes, parse_seconds

#: Exit status of a job that ran out of time, and of one that was killed (128 + SIGKILL).
TIMED_OUT, KILLED = 124, 137
#: Exit status when the fault is ours.
OURS = 125
#: Exit status of a job that was called off (128 + SIGINT).
CANCELLED = 130
_BY_REASON = {
    ExitReason.TIMED_OUT: TIMED_OUT,
    ExitReason.OUT_OF_MEMORY: KILLED,
    ExitReason.DISK_LIMIT: KILLED,
    ExitReason.OUTPUT_LIMIT: KILLED,
    ExitReason.CANCELLED: CANCELLED,
}


def exit_status(result: JobResult) -> int:
    """Return the status by which a shell learns how a job ended."""
    if result.reason is ExitReason.EXITED and result.exit_code is not None:
        return result.exit_code
    if result.reason is ExitReason.SIGNALED and result.signal is not None:
        return 128 + result.signal
    if result.ok:
        return 0
    return _BY_REASON.get(result.reason, OURS)


def print_json(content: Mapping[str, Any]) -> None:
    """Print one object on standard output."""
    sys.stdout.write(json.dumps(content, indent=2, default=str) + "\n")


def write_strange(stream: IO[str], text: str) -> None:
    """Write what a stranger's machine sent: inert on a terminal, as it is into a file or a pipe."""
    stream.write(inert_text.inert(text) if stream.isatty() else text)


def columns(widths: Sequence[int], cells: Sequence[str]) -> str:
    """Return a line of a table; strangers' text in it is inert."""
    fitted = [
        f"{inert_text.line(cell, 300):{width}}" for width, cell in zip(widths, cells, strict=True)
    ]
    return "  ".join(fitted).rstrip() + "\n"


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="answer with one JSON object")


def add_isolation(parser: argparse.ArgumentParser) -> None:
    """Add the native level that is not exceeded."""
    levels = [level for level in Isolation if level is not Isolation.CONTAINER]
    parser.add_argument("--isolation", choices=levels, help="native level to stay at")


def isolation(args: argparse.Namespace) -> Isolation | None:
    """Return the native level that was asked for; None for the strongest."""
    return Isolation(args.isolation) if args.isolation else None


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the caps of a job."""
    parser.add_argument(
        "--memory", default="2G", metavar="SIZE", help="memory of the whole job; 2G"
    )
    parser.add_argument("--cpus", type=float, default=1.0, metavar="N", help="cores; 1")
    parser.add_argument("--timeout", default="1h", metavar="TIME", help="wall-clock limit; 1h")
    parser.add_argument("--disk", default="4G", metavar="SIZE", help="bytes it may write; 4G")


def limits(args: argparse.Namespace) -> ResourceLimits:
    """Return the caps that the options say."""
    return ResourceLimits(
        cpus=args.cpus,
        memory_bytes=parse_bytes(args.memory),
        disk_bytes=parse_bytes(args.disk),
        timeout_s=parse_seconds(args.timeout),
    )
