"""Sample jobs as objects, read from their directories."""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from node3nb.errors import ConfigError, JobSpecError
from node3nb.jobs import JobSpec, new_job_id
from node3nb.marketplace.wire.protocol import JobSubmission, first_complaint
from node3nb.sample_jobs.described import Expected, JobFile, Recipe
from node3nb.sample_jobs.inputs import make_input

_NAME = re.compile(r"[0-9]{2}_[a-z0-9_]{1,60}")
#: Fields of a submission that `job` must leave out, and what gives them.
_GIVEN_ELSEWHERE = {
    "files": "name the files in `scripts`",
    **dict.fromkeys(
        ("input_data_url", "input_sha256", "input_name", "awaits_input"),
        "describe the input in `input`",
    ),
    "output_upload_url": "whoever runs the job says where its outputs go",
}


@dataclass(frozen=True, slots=True)
class SampleJob:
    """A job with its scripts, its input and the result it must have."""

    #: Where it stands.
    directory: Path
    #: One sentence for people.
    description: str
    #: What is submitted: scripts included, the input announced.
    job: JobSubmission
    #: Distributions that the Python running it must have, as pip names them.
    needs: tuple[str, ...]
    #: How its input is made; None when it has none.
    recipe: Recipe | None
    #: How its run must end.
    expected: Expected

    @property
    def name(self) -> str:
        """The name of its directory."""
        return self.directory.name

    def missing(self) -> tuple[str, ...]:
        """Return the part of its needs that this Python lacks."""
        return tuple(name for name in self.needs if not _installed(name))

    def submission(self) -> dict[str, Any]:
        """Return the body of `POST /api/jobs`; the input it announces is sent after it."""
        return self.job.model_dump(mode="json", exclude_unset=True)

    def spec(self, job_id: str | None = None) -> JobSpec:
        """Return the job for a run without a marketplace; it doesn't name the input.

        Parameters
        ----------
        job_id
            Name of this run; None makes a new one.
        """
        return self.job.checked(job_id or new_job_id())

    def input_path(self) -> Path | None:
        """Return its input, a file or a .tar.gz to unpack; None when it has none.

        Blocks for the seconds it takes to make the input if nobody has made it yet.

        Raises
        ------
        ConfigError
            The input can't be made; the message says why.
        """
        if self.recipe is None:
            return None
        if lacks := ", ".join(self.missing()):
            raise ConfigError(f"{self.name}: it needs {lacks}; install node3nb[test].")
        return make_input(self.directory, self.recipe)


def load(directory: Path) -> tuple[SampleJob, ...]:
    """Read every job below a directory, in the order of their names.

    Raises
    ------
    ConfigError
        There are none, or one is malformed; the message names the file and the field.
    """
    if not directory.is_dir():
        raise ConfigError(f"{directory} is no directory; name the one that holds the jobs.")
    inside = [path for path in directory.iterdir() if path.is_dir() and path.name[0] not in "._"]
    if not inside:
        raise ConfigError(f"{directory} holds no jobs; each is a directory with a job.json.")
    return tuple(load_job(path) for path in sorted(inside))


def load_job(directory: Path) -> SampleJob:
    """Read one job.

    Raises
    ------
    ConfigError
        It is malformed; the message names the file and the field.
    """
    where = f"{directory.name}/job.json"
    if not _NAME.fullmatch(directory.name):
        raise ConfigError(f"{directory.name}: name the directory like 01_simple_cpu.")
    try:
        told = JobFile.model_validate_json(_read(directory / "job.json", where))
    except ValidationError as error:
        raise ConfigError(f"{where}: {first_complaint(error)}") from None
    for field in sorted(told.job.model_fields_set & _GIVEN_ELSEWHERE.keys()):
        raise ConfigError(f"{where}: job.{field}: leave it out; {_GIVEN_ELSEWHERE[field]}.")
    if told.input:
        _read(directory / told.input.make, f"{where}: input.make: {told.input.make}")
    files = {name: _read(directory / name, f"{where}: scripts: {name}") for name in told.scripts}
    announced = {"awaits_input": True, "input_name": told.input.file} if told.input else {}
    job = told.job.model_copy(update={"files": files, **announced})
    try:
        job.checked(directory.name)
    except JobSpecError as error:
        raise ConfigError(f"{where}: job.{error}") from None
    return SampleJob(directory, told.description, job, told.needs, told.input, told.expect)


def _read(path: Path, blame: str) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{blame}: it can't be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{blame}: it is not UTF-8; save it as UTF-8.") from None


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
