"""What a `job.json` says; anything it doesn't know is refused by name."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from node3nb.jobs import ExitReason, JobState
from node3nb.marketplace.wire.protocol import JobSubmission

_FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Recipe(_Strict):
    """How the input is made."""

    #: Script in the job's directory; it writes into the directory that is its only argument.
    make: _FileName
    #: Name of the input: the one file it writes, or a .tar.gz that all it writes is packed into.
    file: _FileName

    @property
    def packed(self) -> bool:
        """Whether the input is an archive."""
        return self.file.endswith(".tar.gz")


class ExpectedOutput(_Strict):
    """What one output file must hold; exactly one of the first four is given."""

    #: Its value, parsed as JSON.
    value: Any = Field(default=None, alias="json")
    #: Its whole content, as UTF-8.
    text: str | None = None
    #: SHA-256 of its content, in hex.
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    #: Fewest bytes it may have.
    min_bytes: Annotated[int, Field(ge=1)] | None = None
    #: How far a number in `json` may be off, absolutely or relative to the larger one.
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @property
    def is_json(self) -> bool:
        """Whether a JSON value is expected; null is one."""
        return "value" in self.model_fields_set

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [self.is_json, self.text, self.sha256, self.min_bytes]
        if sum(way not in {None, False} for way in given) != 1:
            raise ValueError("give exactly one of json, text, sha256 and min_bytes")
        if self.tolerance and not self.is_json:
            raise ValueError("tolerance goes with json only")
        return self


class Expected(_Strict):
    """How a run must end."""

    #: Final state.
    state: JobState
    #: Why it ends.
    reason: ExitReason
    #: The command's exit code; None when it does not exit by itself.
    exit_code: int | None = None
    #: All of standard output; None says nothing about it.
    stdout: str | None = None
    #: Texts that standard output holds.
    stdout_contains: tuple[str, ...] = ()
    #: Texts that standard error holds.
    stderr_contains: tuple[str, ...] = ()
    #: Every file it leaves, by path; another one is a difference.
    outputs: dict[str, ExpectedOutput] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not self.state.final:
            raise ValueError("state is not a final one")
        if (self.exit_code is not None) != (self.reason is ExitReason.EXITED):
            raise ValueError("exit_code goes with the reason exited, and only with it")
        if (self.exit_code == 0) != (self.state is JobState.COMPLETED):
            raise ValueError("exit_code 0 goes with the state completed, and only with it")
        return self


class JobFile(_Strict):
    """The whole of a `job.json`."""

    #: One sentence for people.
    description: Annotated[str, Field(min_length=1, max_length=200)]
    #: The fields of a submission, but for those the directory gives.
    job: JobSubmission
    #: Text files of the directory that travel with the job.
    scripts: tuple[_FileName, ...] = ()
    #: Distributions that the Python running it must have, as pip names them.
    needs: tuple[str, ...] = ()
    #: How the input is made; None for none.
    input: Recipe | None = None
    #: How its run must end.
    expect: Expected
