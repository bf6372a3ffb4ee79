"""What a provider remembers of a job that has ended: little, however much the job has printed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace

from node3nb.agent.records import SHOWN_COMMAND_CHARS, JobRecord
from node3nb.jobs import JobResult, JobSpec, OutputFile

#: Bytes of the end of each log.
LOG_BYTES = 16 * 1024
#: Bytes of the list of outputs, as they stand in memory.
OUTPUTS_BYTES = 64 * 1024
#: Characters of the message.
MESSAGE_CHARS = 2000


def shorten(record: JobRecord, result: JobResult) -> None:
    """Give an ended job its result, cut to what is remembered, and forget what it was run with."""
    outputs = _first(result.outputs)
    record.spec = _spec(record.spec)
    record.unlisted = len(result.outputs) - len(outputs)
    record.result = replace(
        result,
        message=result.message[:MESSAGE_CHARS],
        stdout=_end(result.stdout),
        stderr=_end(result.stderr),
        stdout_truncated=result.stdout_truncated or _long(result.stdout),
        stderr_truncated=result.stderr_truncated or _long(result.stderr),
        outputs=outputs,
    )


def size(record: JobRecord) -> int:
    """Return about how many bytes of memory a shortened job takes."""
    spec, result = record.spec, record.result
    texts = [*spec.command, spec.input_url, spec.output_url, record.why]
    if result is not None:
        texts += [result.message, result.stdout, result.stderr]
        texts += [text for each in result.outputs for text in (each.path, each.sha256)]
    return 4096 + sum(map(sys.getsizeof, texts))


def _spec(spec: JobSpec) -> JobSpec:
    command = " ".join(spec.command)[:SHOWN_COMMAND_CHARS]
    return replace(spec, command=(command,), files={}, environment={})


def _long(text: str) -> bool:
    # No text has more characters than bytes; most are so short that nothing need be encoded.
    return len(text) > LOG_BYTES or len(text.encode("utf-8", "replace")) > LOG_BYTES


def _end(text: str) -> str:
    """Return a log, or its end behind a line that says so, as the log of a running job does."""
    if not _long(text):
        return text
    data = text.encode("utf-8", "replace")
    gap = f"[... {len(data) - LOG_BYTES} bytes left out ...]\n"
    return gap + data[-LOG_BYTES:].decode("utf-8", "ignore")


def _first(outputs: Iterable[OutputFile]) -> tuple[OutputFile, ...]:
    room, kept = OUTPUTS_BYTES, []
    for each in outputs:
        room -= sys.getsizeof(each.path) + sys.getsizeof(each.sha256)
        if room < 0:
            break
        kept.append(each)
    return tuple(kept)
