"""One job from its input to its outputs: stage, run, collect, upload.

Needs a spec, an executor, a workspace and somebody to report to, nothing of the provider: it
runs wherever the job runs.
"""

from __future__ import annotations

import errno
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from node3nb.errors import (
    ExecutorError,
    InputError,
    OutputLimitError,
    SupervisorLost,
    TransferCancelled,
)
from node3nb.executor import Executor, Reporter
from node3nb.files.collector import Collected, CollectLimits, collect
from node3nb.files.workspace import Workspace
from node3nb.jobs import ExitReason, JobResult, JobSpec, JobState, failure

if TYPE_CHECKING:
    from node3nb.transfers.transfer import Transfer

#: Lays out a job's input in its workspace; raises InputError or TransferCancelled.
Stage = Callable[[JobSpec, Workspace, threading.Event], None]

_CANCELLED_IN_STAGING = "The job was cancelled before it started."


class Keeper(Reporter, Protocol):
    """A reporter that also keeps a finished result safe until it is delivered."""

    @property
    def closing(self) -> threading.Event:
        """Set when there is no time left to send outputs."""

    def keep(self, performed: Performed) -> Path | None:
        """Put the result where it survives us; return where the archive of its outputs is now."""

    def uploaded(self) -> None:
        """Take note that the outputs have arrived where they belong."""


@dataclass(frozen=True, slots=True)
class Performed:
    """A run with its outputs, before anything has been sent."""

    #: How it ended.
    result: JobResult
    #: The outputs as one `tar.gz`; None when there is nothing to send.
    archive: Path | None
    #: SHA-256 of the archive, in hex; empty without one.
    sha256: str = ""


def execute(
    spec: JobSpec,
    executor: Executor,
    workspace: Workspace,
    transfer: Transfer,
    keeper: Keeper,
    *,
    why: str = "",
) -> JobResult:
    """Run one job of a marketplace to its end and send its outputs.

    Parameters
    ----------
    why
        Why it runs on that executor, for its result.

    Raises
    ------
    UploadError, TransferCancelled
        The outputs could not be sent now; the keeper has them.
    """
    performed = perform(spec, executor, workspace, transfer.stage, keeper, why=why)
    archive = keeper.keep(performed)
    if archive is not None:
        keeper.state(JobState.UPLOADING)
        url, sha256 = spec.output_url, performed.sha256
        transfer.send(archive, url, cancelled=keeper.closing, sha256=sha256)
        keeper.uploaded()
    return performed.result


def perform(
    spec: JobSpec,
    executor: Executor,
    workspace: Workspace,
    stage: Stage,
    reporter: Reporter,
    *,
    why: str = "",
) -> Performed:
    """Stage, run and collect; whatever goes wrong is in the result, and why it ran there."""
    performed = _perform(spec, executor, workspace, stage, reporter)
    return replace(performed, result=replace(performed.result, why=why))


def _perform(
    spec: JobSpec, executor: Executor, workspace: Workspace, stage: Stage, reporter: Reporter
) -> Performed:
    reporter.state(JobState.STAGING)
    try:
        workspace.write_files(spec)
        stage(spec, workspace, reporter.cancelled)
        result = executor.run(spec, workspace, reporter)
    except InputError as error:
        return Performed(failure(spec.job_id, ExitReason.INPUT_ERROR, str(error)), None)
    except TransferCancelled:
        return Performed(failure(spec.job_id, ExitReason.CANCELLED, _CANCELLED_IN_STAGING), None)
    except SupervisorLost as error:
        return Performed(failure(spec.job_id, ExitReason.LOST, str(error)), None)
    except ExecutorError as error:
        return Performed(failure(spec.job_id, ExitReason.INTERNAL, str(error)), None)
    return _collect(spec, workspace, result)


def _collect(spec: JobSpec, workspace: Workspace, result: JobResult) -> Performed:
    # A job at level `limits` can write beside its directories: the name is not to be guessed.
    name = f"outputs-{secrets.token_hex(8)}.tar.gz"
    archive = workspace.root / name if spec.output_url else None
    limits = CollectLimits(bytes=spec.limits.disk_bytes, files=spec.limits.disk_files)
    try:
        collected = _collected(workspace, limits, archive)
    except OutputLimitError as error:
        too_much = replace(
            result, state=JobState.FAILED, reason=ExitReason.OUTPUT_LIMIT, message=str(error)
        )
        return Performed(too_much, None)
    told = _with_outputs(result, collected)
    if collected.archive is None or not (result.ok or collected.files):
        return Performed(told, None)
    return Performed(told, collected.archive, collected.archive_sha256)


def _collected(workspace: Workspace, limits: CollectLimits, archive: Path | None) -> Collected:
    """Collect; on a full disk, once more in the room of what the ended job needs no longer."""
    try:
        return collect(workspace.output, limits, archive)
    except OSError as error:
        if error.errno != errno.ENOSPC or archive is None:
            raise
    archive.unlink(missing_ok=True)
    workspace.make_room()
    return collect(workspace.output, limits, archive)


def _with_outputs(result: JobResult, collected: Collected) -> JobResult:
    """Name what was collected, and what of it was refused."""
    message = result.message
    if collected.refused:
        first = collected.refused[0]
        count = len(collected.refused)
        told = f"{count} outputs were left out, the first: {first.path} ({first.why})."
        message = f"{message} {told}".strip()
    return replace(result, outputs=collected.files, message=message)
