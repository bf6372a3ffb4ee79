"""One job on this machine, without a marketplace: from a directory, into a directory."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from node3nb import config
from node3nb.errors import ConfigError, DiskFull, InputError, JobRefused, TransferCancelled
from node3nb.execution import perform
from node3nb.executor import Executor, Reporter, SilentReporter, choose
from node3nb.files import workspace
from node3nb.files.disk import shortage
from node3nb.files.output_copies import copy_outputs
from node3nb.files.workspace import WorkArea, Workspace
from node3nb.job_checks import printable
from node3nb.jobs import ExitReason, JobResult, JobSpec, JobState
from node3nb.supervisor.disk import LEAST_ROOM_BYTES


def run_here(
    spec: JobSpec,
    executors: Sequence[Executor],
    *,
    input_dir: Path | None = None,
    output_dir: Path | None = None,
    replace_outputs: bool = False,
    reporter: Reporter | None = None,
    opened: Callable[[Workspace], None] | None = None,
    ended: Callable[[JobResult, Workspace], JobResult] | None = None,
) -> JobResult:
    """Run a job to its end and return how it ended.

    Parameters
    ----------
    spec
        What to run.
    executors
        What may run it, in the order they are tried.
    input_dir
        Directory, or file, that the job gets a copy of as its input.
    output_dir
        Directory the job's outputs are copied into: empty, or not there yet.
    replace_outputs
        Whether that directory may hold something, and outputs take the place of files there.
    reporter
        Learns what happens, and may call the job off.
    opened
        Is given the workspace before anything happens in it.
    ended
        Is given the result and the workspace when nothing more happens in it, and returns the
        result whose outputs are copied.

    Raises
    ------
    JobRefused
        No executor here meets what the job requires.
    DiskFull
        The workspaces' disk has no room.
    ConfigError
        `input_dir` can't be read, or `output_dir` can't be written, or holds something.
    """
    _check_disk()
    choice = choose(spec, executors)
    if choice.executor is None:
        raise JobRefused(f"The job can't be run here. {choice.why}")
    _prepare(input_dir, output_dir, replace=replace_outputs)
    area = WorkArea(config.work_dir())
    try:
        with workspace.temporary(area.path, spec.job_id) as place:
            if opened is not None:
                opened(place)
            stage = _CopyStage(input_dir)
            performed = perform(
                spec, choice.executor, place, stage, reporter or SilentReporter(), why=choice.why
            )
            result = performed.result if ended is None else ended(performed.result, place)
            return _with_copies(result, place, output_dir, over_others=replace_outputs)
    finally:
        area.close()


def _check_disk() -> None:
    if told := shortage((config.work_dir(),), LEAST_ROOM_BYTES):
        raise DiskFull(told)


def _prepare(input_dir: Path | None, output_dir: Path | None, *, replace: bool) -> None:
    if input_dir is not None and not input_dir.exists():
        raise ConfigError(f"input: {input_dir} is not there; name a file or a directory.")
    if output_dir is not None:
        _make(output_dir, replace=replace)


class _CopyStage:
    """Stages a copy of what lies on this machine: a job must not write into the original."""

    def __init__(self, source: Path | None) -> None:
        self._source = source

    def __call__(self, spec: JobSpec, place: Workspace, cancelled: threading.Event) -> None:
        del spec
        if self._source is None:
            return

        def copy(source: str, target: str) -> None:
            if cancelled.is_set():
                raise TransferCancelled
            shutil.copy2(source, target)

        try:
            if self._source.is_dir():
                _copy_tree(self._source, place.input, copy)
            else:
                shutil.copy2(self._source, place.input / self._source.name)
        except (OSError, shutil.Error) as error:
            raise InputError(f"input: {self._source} can't be copied ({error}).") from error


def _copy_tree(source: Path, target: Path, copy: Callable[[str, str], None]) -> None:
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, copy_function=copy)


def _make(output_dir: Path, *, replace: bool) -> None:
    """Make the directory of the outputs before anything runs: hours of work may depend on it.

    One that holds something is refused: a job chooses the names of its files, and one that comes
    to lie beside a notebook may be what the notebook's next `import` finds.  Whoever runs a job
    again into the same directory says so.
    """
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        empty = not any(output_dir.iterdir())
    except OSError as error:
        told = f"output: {output_dir} can't be made ({error.strerror}); name another directory."
        raise ConfigError(told) from error
    if not (empty or replace):
        raise ConfigError(
            f"output: {output_dir} is no empty directory; name a new one, or add --replace to have "
            "the job's files take the place of those of the same names."
        )


def _with_copies(
    result: JobResult, place: Workspace, output_dir: Path | None, *, over_others: bool
) -> JobResult:
    """Copy what was collected, and return the result that tells whether all of it is there."""
    if output_dir is None:
        return result
    paths = [output.path for output in result.outputs]
    try:
        failed = copy_outputs(paths, place.output, output_dir, replace=over_others)
    except OSError as error:
        failed = [(path, f"{error.strerror}") for path in paths]
    if not failed:
        return result
    path, why = failed[0]
    told = (
        f"output: {len(failed)} files could not be copied to {output_dir}, "
        f"the first: {printable(path)} ({why}); run it again with a new directory."
    )
    told = f"{result.message} {told}".strip()
    if not result.ok:
        return replace(result, message=told)
    return replace(result, state=JobState.FAILED, reason=ExitReason.UPLOAD_ERROR, message=told)
