"""Refusals as they travel: `application/problem+json` (RFC 9457); `detail` is the base table's."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from node3nb.marketplace.refusals import Refusal

#: Media type of every refusal (RFC 9457, section 3).
PROBLEM_JSON = "application/problem+json"
#: What the kinds of refusals that have a name of their own are named below.
KINDS = "urn:node3nb:problem:"
#: The kind of a refusal that its status says all about (RFC 9457, section 4.2.1).
PLAIN = "about:blank"


class Problem(BaseModel):
    """Why a call was refused; what else it holds are facts for the caller to go on with."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(PLAIN, description="The kind of refusal, as a URI that never changes.")
    title: str = Field(description="The name of the status.")
    status: int = Field(description="The status of the answer.", ge=400, le=599)
    detail: str = Field(description="One sentence that says what is wrong and what to do next.")


def problem(
    status: int,
    detail: str,
    kind: str = PLAIN,
    *,
    headers: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """Return the answer that refuses a call."""
    said = {"type": kind, "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse({**(facts or {}), **said}, status, headers, PROBLEM_JSON)


def refused(error: Refusal) -> JSONResponse:
    """Return a refusal as an answer, with the headers that go with its status."""
    headers = {}
    if "retry_after_s" in error.facts:
        headers["Retry-After"] = str(error.facts["retry_after_s"])
    if error.hangs_up:
        headers["Connection"] = "close"
    return problem(
        error.status, str(error), KINDS + error.kind(), headers=headers, facts=error.facts
    )


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how OpenAPI tells of the refusals that a call knows."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_JSON: {"schema": schema}},
        }
        for status in statuses
    }
