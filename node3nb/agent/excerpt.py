"""As much of a job's result as is reported: what it printed and left is cut to what is taken."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace

from node3nb.jobs import JobResult, OutputFile

#: Characters of each log that travel with a report; the head and the tail.
LOG_CHARS = 64 * 1024
#: Bytes of the list of outputs that travel with a report.
OUTPUTS_BYTES = 128 * 1024
#: Characters of the message of a report.
MESSAGE_CHARS = 10_000


def excerpt(result: JobResult) -> JobResult:
    """Return the result with its logs, its message and its list of outputs cut."""
    outputs = _first(result.outputs)
    left_out = len(result.outputs) - len(outputs)
    told = f"{left_out} outputs are not listed here." if left_out else ""
    return replace(
        result,
        message=f"{result.message[:MESSAGE_CHARS]} {told}".strip(),
        stdout=_ends(result.stdout),
        stderr=_ends(result.stderr),
        stdout_truncated=result.stdout_truncated or len(result.stdout) > LOG_CHARS,
        stderr_truncated=result.stderr_truncated or len(result.stderr) > LOG_CHARS,
        outputs=outputs,
    )


def _ends(text: str) -> str:
    if len(text) <= LOG_CHARS:
        return text
    gap = "\n[...]\n"
    half = (LOG_CHARS - len(gap)) // 2
    return text[:half] + gap + text[-half:]


def _first(outputs: Iterable[OutputFile]) -> tuple[OutputFile, ...]:
    """Return the outputs whose names fit into a report."""
    room, listed = OUTPUTS_BYTES, []
    for output in outputs:
        room -= len(json.dumps(asdict(output)))
        if room < 0:
            break
        listed.append(output)
    return tuple(listed)
