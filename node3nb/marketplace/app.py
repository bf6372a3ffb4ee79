"""The marketplace as an ASGI application."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from node3nb import __version__
from node3nb.errors import JobSpecError
from node3nb.marketplace import openapi
from node3nb.marketplace.bodies import BoundedJson
from node3nb.marketplace.clock import Clock
from node3nb.marketplace.context import Marketplace
from node3nb.marketplace.manners.gate import Gate
from node3nb.marketplace.problems import problem, refused
from node3nb.marketplace.refusals import Refusal
from node3nb.marketplace.routes import (
    admin,
    agents,
    artifacts,
    jobs,
    logs,
    status,
    turns,
    work,
)
from node3nb.marketplace.settings import Settings
from node3nb.marketplace.wire.protocol import complaint


def create_app(settings: Settings, clock: Clock = time.time) -> FastAPI:
    """Return a marketplace for any ASGI server; it opens its data directory at once.

    Parameters
    ----------
    settings
        How it is run.
    clock
        What it takes for the time, in seconds since 1970.

    Raises
    ------
    ConfigError
        The data directory or the database can't be used.
    """
    market = Marketplace(settings, clock)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with market.open():
            yield

    app = FastAPI(
        title="node3nb marketplace",
        description=openapi.DESCRIPTION,
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    app.state.market = market
    app.add_middleware(BoundedJson)
    app.add_middleware(Gate, market=market)  # the last one added is the first one met
    for module in (agents, turns, work, jobs, artifacts, logs, status, admin):
        app.include_router(module.router)
    openapi.complete(app)
    app.exception_handler(Refusal)(_refused)
    app.exception_handler(JobSpecError)(_misread)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_no_such_call)
    app.exception_handler(ClientDisconnect)(_gone)
    return app


async def _refused(_request: Request, error: Refusal) -> Response:
    return refused(error)


async def _misread(_request: Request, error: JobSpecError) -> Response:
    return problem(422, str(error))


async def _invalid(_request: Request, error: RequestValidationError) -> Response:
    """Name the first fault of a call, and nothing of what was sent."""
    fault = error.errors()[0]
    if fault["type"] == "json_invalid":
        return problem(400, "body: it is not JSON; send a JSON object.")
    where = fault["loc"][1:] if len(fault["loc"]) > 1 else fault["loc"]
    return problem(422, complaint(where, fault["msg"]))


async def _no_such_call(_request: Request, error: HTTPException) -> Response:
    told = {
        404: "There is no such call here; /openapi.json lists those there are.",
        405: "There is no such call here; the path has others, see the header Allow.",
    }
    said = told.get(error.status_code, error.detail)
    return problem(error.status_code, said, headers=error.headers)


async def _gone(_request: Request, _error: ClientDisconnect) -> Response:
    return problem(400, "body: the connection closed before its end.")
