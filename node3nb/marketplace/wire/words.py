"""What every message of the protocol is made of: headers, bounds, statuses, kinds of fields."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

#: Environment variable by which a base marketplace asks for a container.
REQUIRE_CONTAINER = "REQUIRE_CONTAINER"
#: Header that carries every kind of key.
API_KEY_HEADER = "X-API-Key"
#: Header that names a lease where a call has no JSON body.
LEASE_HEADER = "X-Lease-Id"
#: Header that carries the SHA-256 of an artifact, in hex.
SHA256_HEADER = "X-Content-SHA256"
#: Headers of a piece of a log: where to go on reading, which attempt it is of, whether it is all.
NEXT_OFFSET_HEADER = "X-Next-Offset"
ATTEMPT_HEADER = "X-Attempt"
LOG_OVER_HEADER = "X-Log-Over"
#: Largest `output_data` or `metrics` of a report, in bytes of JSON.
MAX_REPORT_BYTES = 1 << 20
#: Deepest nesting of a report.
MAX_REPORT_DEPTH = 64
#: Most fields of an object, and most entries of a mapping, that our own server is sent: each
#: faulty one is an error of its own, and each entry may be a question to the database.
MAX_FIELDS, MAX_ENTRIES = 64, 1024
#: Longest a long poll may wait, in seconds.
MAX_WAIT_S = 60.0


class JobStatus(enum.StrEnum):
    """Where a job stands, seen from the marketplace."""

    #: Waits for the input its submitter announced.
    PENDING = "pending"
    #: Waits for an agent.
    AVAILABLE = "available"
    #: An agent holds it.
    ACCEPTED = "accepted"
    #: Its agent fetches the input.
    DOWNLOADING = "downloading"
    #: Its command runs.
    RUNNING = "running"
    #: Its agent sends the outputs.
    UPLOADING = "uploading"
    #: It succeeded.
    COMPLETED = "completed"
    #: It ended in failure.
    FAILED = "failed"
    #: Its submitter called it off.
    CANCELLED = "cancelled"


class ArtifactKind(enum.StrEnum):
    """What a file is to its job."""

    #: What the submitter sends and the agent fetches.
    INPUT = "input"
    #: What the agent sends and the submitter fetches.
    OUTPUT = "output"


class Heard(BaseModel):
    """Something a peer said; unknown fields are kept and ignored."""

    model_config = ConfigDict(extra="allow", frozen=True)


class FewFields(BaseModel):
    """Something with so many fields that it can't be meant is refused before they are looked at."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_crowd(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(value) > MAX_FIELDS:
            raise ValueError(f"{len(value)} fields are more than the {MAX_FIELDS} allowed")
        return value


def without_nul(text: str) -> str:
    """Refuse a character that not every database can keep."""
    if "\0" in text:
        raise ValueError("remove the NUL character")
    return text


class Asked(FewFields):
    """Something our own server is asked; unknown fields and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _refuse_nul(cls, value: Any) -> Any:
        return without_nul(value) if isinstance(value, str) else value


def _empty_for_none(value: Any) -> Any:
    return "" if value is None else value


def _dict_for_none(value: Any) -> Any:
    return {} if value is None else value


#: A text whose absence may be said as null.
Text = Annotated[str, BeforeValidator(_empty_for_none)]
#: A mapping of texts whose absence may be said as null.
Texts = Annotated[dict[str, str], BeforeValidator(_dict_for_none)]


def _few(value: Any) -> Any:
    if isinstance(value, (dict, list)) and len(value) > MAX_ENTRIES:
        raise ValueError(f"{len(value)} entries are more than the {MAX_ENTRIES} allowed")
    return value


#: Bounds how many entries a mapping or a list may have, before any of them is looked at.
Few = BeforeValidator(_few)
#: A text within a mapping; `Asked` looks at those that are fields.
PlainText = Annotated[str, AfterValidator(without_nul)]
#: A mapping of few texts that every database can keep.
PlainTexts = Annotated[dict[PlainText, PlainText], Few]
#: A size, in bytes.
Bytes = Annotated[int, Field(ge=0, le=1 << 50)]
#: A duration, in seconds.
Seconds = Annotated[float, Field(ge=0, le=1e9)]


def _storable(value: Any) -> Any:
    """Refuse what is too large or too deep to keep, or what no JSON can say."""
    if _deeper(value, MAX_REPORT_DEPTH):
        raise ValueError(f"it is nested more than {MAX_REPORT_DEPTH} deep")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        raise ValueError("it holds a number or a character that JSON can't carry") from None
    if len(text) > MAX_REPORT_BYTES:
        raise ValueError(f"{len(text)} bytes are more than the {MAX_REPORT_BYTES} allowed")
    return value


def _deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    children = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(child, levels - 1) for child in children)


#: Free-form JSON of an agent, bounded.
Reported = Annotated[Any, AfterValidator(_storable)]
#: Free-form measurements of an agent, bounded.
Measures = Annotated[dict[str, Any], AfterValidator(_storable)]
#: A time as ISO 8601, in the peer's words.
Time = Annotated[str, Field(max_length=64)]
#: Name of a lease.
LeaseId = Annotated[str, Field(max_length=128)]
#: Name of a lease as a marketplace gives it: one that every later call can carry.
GivenLease = Annotated[str, Field(pattern=r"^[ -~]{1,128}$")]
#: Name of an agent as a marketplace gives it: rewards may go to it.
GivenName = Annotated[str, Field(pattern=r"^[ -~]{1,256}$")]


def first_complaint(error: ValidationError) -> str:
    """Return the first fault pydantic found as one sentence that names the field."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return complaint(fault["loc"], fault["msg"])


def complaint(where: Sequence[str | int], what: str) -> str:
    """Return one inert sentence that names a field and what is wrong with it."""
    field = ".".join(ascii(part).strip("'")[:40] for part in where) or "body"
    return f"{field}: {what.removeprefix('Value error, ').rstrip('.')}."
