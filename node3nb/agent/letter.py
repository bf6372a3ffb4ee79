"""A result on its way to its marketplace, as it is kept on disk."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from node3nb.agent.excerpt import excerpt
from node3nb.errors import Node3Error
from node3nb.jobs import JobResult, failure

#: Version of the form that is written; what a later one means is not guessed.
VERSION = 1
#: Longest envelope read, in bytes: ids and a URL.
MAX_ENVELOPE_BYTES = 64 * 1024
#: Hexadecimal digits that tell the letters about one job from each other.
NAME_DIGITS = 8
#: Largest letter read, in bytes: logs and lists of outputs are excerpts.
MAX_LETTER_BYTES = 8 << 20

_Kept = TypeVar("_Kept")


class LetterDamaged(Node3Error):
    """The letter can't be read; its job's result is lost here."""


class LetterTaken(Node3Error):
    """Another provider of this owner delivers the letter."""


class LetterFromLater(Node3Error):
    """A later version of node3nb wrote the letter; run that version to deliver it."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Whose job it is, and whom it is reported to; known without reading the letter."""

    #: Name of the letter, unique in its outbox.
    name: str
    #: The marketplace it is for.
    marketplace_url: str
    #: Fingerprint of the key under which the job was taken: nobody else may report it.
    agent: str
    #: The job.
    job_id: str
    #: The lease it was run under; None with a marketplace that knows none.
    lease_id: str | None = None
    #: Form in which it is written.
    version: int = VERSION

    def to_line(self) -> bytes:
        """Return the line that is kept."""
        return json.dumps(asdict(self)).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Letter:
    """One result on its way to its marketplace."""

    #: Name of the letter, unique in its outbox.
    name: str
    #: The marketplace it is for.
    marketplace_url: str
    #: Fingerprint of the key under which the job was taken: nobody else may report it.
    agent: str
    #: The job.
    job_id: str
    #: The lease it was run under; None with a marketplace that knows none.
    lease_id: str | None
    #: Where the outputs are to be sent first; empty for nowhere.
    output_url: str
    #: When the job ended, as ISO 8601 in UTC.
    ended_at: str
    #: How it ended; of logs and outputs as much as is reported.
    result: JobResult
    #: What its completion pays.
    reward: float = 0.0
    #: SHA-256 of the archive of its outputs, in hex; empty when it was not taken.
    output_sha256: str = ""

    @property
    def envelope(self) -> Envelope:
        """What stands outside."""
        return Envelope(self.name, self.marketplace_url, self.agent, self.job_id, self.lease_id)

    def to_bytes(self) -> bytes:
        """Return what is kept: the envelope in a line, the letter in another."""
        return self.envelope.to_line() + json.dumps(asdict(self)).encode() + b"\n"

    def shortened(self) -> Letter:
        """Return the letter with no more of its result than is reported."""
        return replace(self, result=excerpt(self.result))

    def failed(self, reason: Any, message: str) -> Letter:
        """Return the letter of the same job that has failed in the end, without outputs."""
        ended = failure(self.job_id, reason, message)
        known = replace(self.result, state=ended.state, reason=ended.reason, message=message)
        return replace(self, output_url="", output_sha256="", result=known)


_ENVELOPE, _LETTER = TypeAdapter(Envelope), TypeAdapter(Letter)
#: Letters are read as this first: of what it makes straight from JSON pydantic keeps the strings,
#: up to 16,384 of them, for the next time (docs.pydantic.dev, ConfigDict.cache_strings).
_OBJECT = TypeAdapter(dict[str, Any])


def read_envelope(line: bytes) -> Envelope:
    """Return the envelope that a line holds.

    Raises
    ------
    LetterDamaged
        It holds none.
    LetterFromLater
        Its form is one of a later version.
    """
    if not line.endswith(b"\n"):
        raise LetterDamaged
    told = _object(line)
    version = told.get("version")
    if isinstance(version, int) and version > VERSION:
        raise LetterFromLater
    return _read(_ENVELOPE, told)


def read_letter(content: bytes) -> Letter:
    """Return the letter that a file holds.

    Raises
    ------
    LetterDamaged
        It holds none, or not all of one.
    LetterFromLater
        Its form is one of a later version.
    """
    outside, _, inside = content.partition(b"\n")
    envelope = read_envelope(outside + b"\n")
    letter = _read(_LETTER, _object(inside))
    if not inside.endswith(b"\n") or letter.envelope != envelope:
        raise LetterDamaged
    return letter


def new_name(job_id: str) -> str:
    """Return a name for a letter about a job."""
    return f"{job_id}-{uuid.uuid4().hex[:NAME_DIGITS]}"


def is_about(job_id: str, name: str) -> bool:
    """Whether a letter of this name is about a job."""
    return name[: -NAME_DIGITS - 1] == job_id and name[-NAME_DIGITS - 1 :].startswith("-")


def _object(content: bytes) -> dict[str, Any]:
    try:
        return _OBJECT.validate_json(content)
    except ValidationError:
        raise LetterDamaged from None


def _read(kind: TypeAdapter[_Kept], told: dict[str, Any]) -> _Kept:
    try:
        return kind.validate_python(told)
    except ValidationError:
        raise LetterDamaged from None
