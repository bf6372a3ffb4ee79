"""What a person who sends jobs does: submit, wait, read the result, fetch the outputs."""

from __future__ import annotations

import contextlib
import math
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from node3nb import inert_text
from node3nb.errors import (
    CallNotOffered,
    InputError,
    MarketplaceBusy,
    MarketplaceUnreachable,
)
from node3nb.files.archives import ArchiveLimits, unpack
from node3nb.jobs import ExitReason, JobResult, JobState, failure
from node3nb.marketplace.client import log_calls
from node3nb.marketplace.client.client import MAX_OUTPUT_BYTES, MarketplaceClient
from node3nb.marketplace.client.job_views import ANSWER_S
from node3nb.marketplace.client.log_calls import LogPiece, LogPlace
from node3nb.marketplace.wire.protocol import JobStatus, JobView

#: Seconds between two looks at a job, at first and at the most.
FIRST_LOOK_S, LONGEST_LOOK_S = 0.05, 1.0
#: Seconds that one call waits for more of a log.
FOLLOW_S = 20.0
#: Seconds a look is given when the time to wait is over.
LEAST_LOOK_S = 1.0
#: Largest exit code, or number of a signal, of any system (32 bits on Windows), and largest number
#: of bytes, seconds or processes that is believed.
MAX_EXIT_CODE, MAX_MEASURED = (1 << 32) - 1, 1 << 62
#: Seconds a marketplace may be away while somebody waits for a job.
AWAY_S = 60.0

_RESULT = TypeAdapter(JobResult)

T = TypeVar("T")


def submit(
    client: MarketplaceClient, job: Mapping[str, Any], input_path: Path | None = None
) -> str:
    """Submit a job once, with its input if it awaits one, and return its id."""
    job_id = client.submit(job, uuid.uuid4().hex)
    if input_path is not None:
        client.put_input(job_id, input_path)
    return job_id


def wait(
    client: MarketplaceClient,
    job_id: str,
    timeout_s: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
    tell: Callable[[JobView], None] | None = None,
) -> JobView:
    """Return a job once nothing more happens to it; a marketplace that is away may come back.

    Parameters
    ----------
    client
        The marketplace.
    job_id
        The job.
    timeout_s
        Longest to wait, in seconds; None is for ever.
    sleep
        Waits so many seconds between two looks.
    tell
        Is given what each look finds while something still may happen.

    Raises
    ------
    TimeoutError
        Something still may after `timeout_s` seconds, or nothing was heard of it by then.
    MarketplaceError
        The marketplace has been away for `AWAY_S` seconds, or does not show the job.
    """
    due = math.inf if timeout_s is None else time.monotonic() + timeout_s
    look_s, view = FIRST_LOOK_S, None
    while not (view := _patiently(partial(_look, client, job_id, due, view), sleep, due)).final:
        if tell is not None:
            tell(view)
        if time.monotonic() > due:
            status = inert_text.line(view.status)
            raise TimeoutError(f"Job {job_id} is still {status} after {timeout_s:g} s.")
        sleep(max(0.0, min(look_s, due - time.monotonic())))
        look_s = min(look_s * 1.5, LONGEST_LOOK_S)
    return view


def _look(client: MarketplaceClient, job_id: str, due: float, before: JobView | None) -> JobView:
    left_s = due - time.monotonic()
    return client.job(job_id, min(ANSWER_S, max(left_s, LEAST_LOOK_S)), before)


def _patiently(call: Callable[[], T], sleep: Callable[[float], None], due: float = math.inf) -> T:
    """Make a call, again and again while the marketplace is away.

    Raises
    ------
    TimeoutError
        It is away at `due`, a time of `time.monotonic`.
    MarketplaceError
        It has been away for `AWAY_S` seconds, or refuses.
    """
    away_at = time.monotonic() + AWAY_S
    while True:
        try:
            return call()
        except (MarketplaceUnreachable, MarketplaceBusy) as error:
            if time.monotonic() > due:
                raise TimeoutError(f"Nothing was heard of the job in time. {error}") from None
            if time.monotonic() > away_at:
                raise
        sleep(max(0.0, min(LONGEST_LOOK_S, due - time.monotonic())))


def follow(
    client: MarketplaceClient, job_id: str, sleep: Callable[[float], None] = time.sleep
) -> Iterator[LogPiece]:
    """Yield what a job prints, as its provider tells it, until nothing more can come.

    A piece of a later attempt is the beginning of another log.

    Raises
    ------
    CallNotOffered
        The marketplace keeps no logs.
    MarketplaceError
        It has been away for `AWAY_S` seconds, or does not show the job.
    """
    place, over = LogPlace(), False
    while not over:
        began = time.monotonic()
        piece = _patiently(partial(log_calls.read, client, job_id, place, FOLLOW_S), sleep)
        place, over = piece.place, piece.over
        if piece.content:
            yield piece
        elif not over and time.monotonic() - began < LONGEST_LOOK_S:
            # It does not wait for news, so it may not tell that the log is over either.
            over = place.attempt is None and client.job(job_id).final
            sleep(LONGEST_LOOK_S)


def result_of(view: JobView) -> JobResult:
    """Return how a finished job ended, as far as its agent and its marketplace tell.

    What an agent reported is not trusted: the marketplace's word on the state is what counts.
    """
    with contextlib.suppress(ValidationError):
        reported = _RESULT.validate_python(view.output_data)
        same = reported.state == view.status and reported.job_id == view.job_id
        if same and _plausible(reported):
            return reported
    if view.status == JobStatus.COMPLETED:
        return JobResult(view.job_id, JobState.COMPLETED, ExitReason.EXITED)
    cancelled = view.status == JobStatus.CANCELLED
    reason = ExitReason.CANCELLED if cancelled else _reason(view.error_type)
    return failure(view.job_id, reason, view.error_message or f"The job is {view.status}.")


def _plausible(reported: JobResult) -> bool:
    """Whether every number is one that some machine could have measured."""
    codes = [number for number in (reported.exit_code, reported.signal) if number is not None]
    sizes = [*asdict(reported.usage).values(), *(output.bytes for output in reported.outputs)]
    return all(abs(code) <= MAX_EXIT_CODE for code in codes) and all(
        0 <= number <= MAX_MEASURED  # holds for no NaN
        for number in (reported.wall_s, reported.startup_ms, *sizes)
    )


def _reason(word: str | None) -> ExitReason:
    with contextlib.suppress(ValueError):
        return ExitReason(word or "")
    return ExitReason.INTERNAL


def fetch_outputs(
    client: MarketplaceClient, job_id: str, into: Path, most_bytes: int = MAX_OUTPUT_BYTES
) -> None:
    """Fetch a job's outputs into an empty or new directory; a job without any leaves it empty.

    Raises
    ------
    InputError
        What came is no archive of outputs, or more than `most_bytes`, packed or unpacked; or
        something is in the directory.
    """
    into.mkdir(parents=True, exist_ok=True)
    if any(into.iterdir()):
        raise InputError(f"{into} is no empty directory; name a new one for the outputs.")
    with tempfile.TemporaryDirectory() as scratch:
        archive, unpacked = Path(scratch, "outputs.tar.gz"), Path(scratch, "unpacked")
        unpacked.mkdir()
        try:
            client.get_output(job_id, archive, most_bytes)
        except CallNotOffered:
            return
        limits = ArchiveLimits()
        unpack(archive, unpacked, replace(limits, bytes=min(limits.bytes, most_bytes)))
        outputs = unpacked / "output"
        for path in outputs.iterdir() if outputs.is_dir() else ():
            shutil.move(path, into / path.name)
