"""The marketplace as an ASGI application."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from node3nb.errors import JobSpecError
from node3nb.marketplace.bodies import BoundedJson
from node3nb.marketplace.clock import Clock
from node3nb.marketplace.context import Marketplace
from node3nb.marketplace.protocol import complaint
from node3nb.marketplace.refusals import Refusal
from node3nb.marketplace.routes import agents, artifacts, jobs, logs, status, work
from node3nb.marketplace.settings import Settings


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
        version=version("node3nb"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    app.state.market = market
    app.add_middleware(BoundedJson)
    for module in (agents, work, jobs, artifacts, logs, status):
        app.include_router(module.router)
    app.exception_handler(Refusal)(_refused)
    app.exception_handler(JobSpecError)(_misread)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(ClientDisconnect)(_gone)
    app.exception_handler(Exception)(_broken)
    return app


async def _refused(_request: Request, error: Refusal) -> Response:
    wait_s = error.facts.get("retry_after_s")
    headers = None if wait_s is None else {"Retry-After": str(wait_s)}
    return JSONResponse({"detail": str(error), **error.facts}, error.status, headers)


async def _misread(_request: Request, error: JobSpecError) -> Response:
    return JSONResponse({"detail": str(error)}, 422)


async def _invalid(_request: Request, error: RequestValidationError) -> Response:
    """Name the first fault of a call, and nothing of what was sent."""
    fault = error.errors()[0]
    if fault["type"] == "json_invalid":
        return JSONResponse({"detail": "body: it is not JSON; send a JSON object."}, 400)
    where = fault["loc"][1:] if len(fault["loc"]) > 1 else fault["loc"]
    return JSONResponse({"detail": complaint(where, fault["msg"])}, 422)


async def _gone(_request: Request, _error: ClientDisconnect) -> Response:
    return JSONResponse({"detail": "body: the connection closed before its end."}, 400)


async def _broken(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"detail": "The marketplace failed; try again later."}, 500)
