"""Whether a sample job gave the result it must give; every difference is said in words."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from node3nb.job_checks import printable
from node3nb.jobs import JobResult, OutputFile
from node3nb.sample_jobs.described import Expected, ExpectedOutput
from node3nb.sample_jobs.loading import SampleJob


def check(
    sample: SampleJob, result: JobResult, read_output: Callable[[str], bytes]
) -> tuple[str, ...]:
    """Return in words how a result differs from what the job must give; empty is right.

    Parameters
    ----------
    sample
        The job.
    result
        How its run ended.
    read_output
        Gives the content of an output file by its path; OSError or LookupError says it can't.
    """
    want = sample.expected
    return (
        *_unlike_end(want, result),
        *_unlike_streams(want, result),
        *_unlike_outputs(want, result, read_output),
    )


def _unlike_end(want: Expected, result: JobResult) -> Iterator[str]:
    for field in ("state", "reason", "exit_code"):
        wanted, got = getattr(want, field), getattr(result, field)
        if got != wanted:
            yield f"{field}: {got} instead of {wanted}. {result.message}".rstrip()


def _unlike_streams(want: Expected, result: JobResult) -> Iterator[str]:
    if want.stdout is not None and result.stdout != want.stdout:
        yield f"stdout: {_unlike_text(want.stdout, result.stdout)}"
    for stream in ("stdout", "stderr"):
        for text in getattr(want, f"{stream}_contains"):
            if text not in getattr(result, stream):
                yield f"{stream}: {printable(text)} is not in it"


def _unlike_outputs(
    want: Expected, result: JobResult, read_output: Callable[[str], bytes]
) -> Iterator[str]:
    left = {file.path: file for file in result.outputs}
    for path in sorted(left.keys() - want.outputs.keys()):
        yield f"outputs: {printable(path)} is not expected"
    for path, wanted in want.outputs.items():
        if path not in left:
            yield f"outputs: {path} is missing"
            continue
        for difference in _unlike_file(wanted, left[path], read_output):
            yield f"{path}: {difference}"


def _unlike_file(
    wanted: ExpectedOutput, file: OutputFile, read_output: Callable[[str], bytes]
) -> Iterator[str]:
    try:
        content = read_output(file.path)
    except (OSError, LookupError) as error:
        yield f"it can't be read: {error}"
        return
    if (len(content), hashlib.sha256(content).hexdigest()) != (file.bytes, file.sha256):
        yield "its content is not what the result says of its size and SHA-256"
    yield from _unlike_content(wanted, content)


def _unlike_content(want: ExpectedOutput, content: bytes) -> Iterator[str]:
    if want.text is not None and content != want.text.encode():
        yield _unlike_text(want.text, content.decode("utf-8", "backslashreplace"))
    if want.sha256 is not None and hashlib.sha256(content).hexdigest() != want.sha256:
        yield f"its SHA-256 is not {want.sha256}"
    if want.min_bytes is not None and len(content) < want.min_bytes:
        yield f"{len(content)} bytes are fewer than {want.min_bytes}"
    if want.is_json:
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            yield f"{printable(content)} is not JSON"
        else:
            yield from _unlike_json(want.value, value, want.tolerance, "$")


def _unlike_text(want: str, got: str) -> str:
    pairs = enumerate(zip(want, got, strict=False))
    same = next((at for at, (a, b) in pairs if a != b), min(len(want), len(got)))
    return f"{printable(got[same:])} instead of {printable(want[same:])} after {same} characters"


def _unlike_json(want: Any, got: Any, tolerance: float, where: str) -> Iterator[str]:
    if isinstance(want, dict) and isinstance(got, dict):
        for key in sorted(want.keys() ^ got.keys()):
            yield f"{where}: {printable(key)} is {'missing' if key in want else 'not expected'}"
        for key in sorted(want.keys() & got.keys()):
            yield from _unlike_json(want[key], got[key], tolerance, f"{where}.{key}")
    elif isinstance(want, list) and isinstance(got, list):
        if len(want) != len(got):
            yield f"{where}: {len(got)} elements instead of {len(want)}"
        for index, (wanted, found) in enumerate(zip(want, got, strict=False)):
            yield from _unlike_json(wanted, found, tolerance, f"{where}[{index}]")
    elif not _same(want, got, tolerance):
        yield f"{where}: {printable(got)} instead of {printable(want)}"


def _same(want: Any, got: Any, tolerance: float) -> bool:
    if not (_is_number(want) and _is_number(got)):
        return type(want) is type(got) and bool(want == got)
    try:
        return want == got or math.isclose(want, got, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
