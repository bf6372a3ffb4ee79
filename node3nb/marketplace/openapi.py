"""The marketplace's own description, complete with its refusals."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from node3nb.marketplace.problems import Problem, answers

DESCRIPTION = (
    "Jobs, the agents that run them, and the files that go with them. Every refusal is an "
    "`application/problem+json` (RFC 9457) whose `detail` is one sentence. A list is given in "
    "pages; the `cursor` of one goes with the call for the next."
)
#: Refusals that any call may meet: what was sent is no good, or there is too much of it.
ALWAYS = answers(400, 408, 413, 414, 422, 429, 431, 503)


def complete(app: FastAPI) -> None:
    """Have an application describe the refusals too that it makes outside of its calls."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _described(app: FastAPI) -> dict[str, Any]:
    told = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = told["components"]["schemas"]
    schemas["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for path in told["paths"].values():
        for call in path.values():
            call["responses"] |= {str(status): answer for status, answer in ALWAYS.items()}
            if _open(call):
                call["security"] = [*call.get("security", ()), {}]
    return told


def _open(call: dict[str, Any]) -> bool:
    """Whether a call may do without a key: it has a token, or says how agents come by theirs."""
    names = {parameter["name"] for parameter in call.get("parameters", ())}
    return "token" in names or call["operationId"].startswith("register")
