"""Calls that carry files: inputs from the submitter to the agent, outputs back."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import FileResponse

from node3nb.marketplace.context import Marketplace
from node3nb.marketplace.keys import Role
from node3nb.marketplace.protocol import SHA256_HEADER, JobStatus, StoredArtifact
from node3nb.marketplace.refusals import NotAllowed, Unacceptable
from node3nb.marketplace.routes.access import (
    JobId,
    Key,
    LeaseId,
    Market,
    Submitter,
    Token,
    caller_of,
    holder_by_token,
)
from node3nb.marketplace.store import attempts, files, views
from node3nb.marketplace.store.attempts import Attempt
from node3nb.marketplace.store.files import Kind, StoredFile

router = APIRouter(prefix="/api/jobs/{job_id}")

Sha256 = Annotated[
    str | None, Header(alias=SHA256_HEADER, pattern="^[0-9a-fA-F]{64}$", max_length=64)
]
Length = Annotated[int | None, Header(alias="Content-Length", ge=0)]


@router.put("/input")
async def put_input(
    market: Market,
    submitter: Submitter,
    job_id: JobId,
    request: Request,
    *,
    sha256: Sha256 = None,
    length: Length = None,
) -> StoredArtifact:
    """Keep the input of a job that waits for it, and offer the job."""
    await market.read(views.require_visible, job_id, submitter)
    announced = await market.read(files.expected_input, job_id)
    if sha256 and announced and sha256.lower() != announced.lower():
        raise Unacceptable(f"{SHA256_HEADER}: it is not the `input_sha256` of the job.")
    async with _received(market, job_id, request, length, sha256 or announced) as file:
        kept = await market.write(files.keep_input, job_id, file, market.now())
    market.announce(kept.freed)
    return _stored(job_id, file)


@router.get("/input")
@router.get("/input/{name}")
async def get_input(
    market: Market, job_id: JobId, key: Key = None, token: Token = None, lease_id: LeaseId = None
) -> FileResponse:
    """Send the input, to its submitter or to the agent that holds the job."""
    attempt = await _fetcher(market, job_id, key, token, lease_id)
    file = await market.read(files.kept, job_id, Kind.INPUT)
    if attempt is not None and attempt.job_status is JobStatus.ACCEPTED:
        await market.write(files.fetching, attempt)
    return _sent(market, job_id, file)


async def _fetcher(
    market: Marketplace, job_id: str, key: str | None, token: str | None, lease_id: str | None
) -> Attempt | None:
    """Return the attempt of the agent that fetches; None when the submitter does."""
    if token is not None:
        return await holder_by_token(market, job_id, token)
    caller = await caller_of(market, key)
    if caller.role is not Role.AGENT:
        await market.read(views.require_visible, job_id, caller)
        return None
    attempt = await market.read(attempts.find, job_id, caller.owner, lease_id)
    attempts.require_open(attempt, lease_id)
    return attempt


@router.put("/output")
async def put_output(
    market: Market,
    job_id: JobId,
    request: Request,
    *,
    key: Key = None,
    token: Token = None,
    lease_id: LeaseId = None,
    sha256: Sha256 = None,
    length: Length = None,
) -> StoredArtifact:
    """Keep the outputs that the agent which holds the job sends."""
    attempt = await _sender(market, job_id, key, token, lease_id)
    async with _received(market, job_id, request, length, sha256 or "") as file:
        await market.write(files.keep_output, attempt, lease_id, file, market.now())
    return _stored(job_id, file)


async def _sender(
    market: Marketplace, job_id: str, key: str | None, token: str | None, lease_id: str | None
) -> Attempt:
    if token is not None:
        attempt = await holder_by_token(market, job_id, token)
        return await market.write(files.sending, job_id, attempt.agent_id, attempt.lease_id)
    caller = await caller_of(market, key)
    if caller.role is not Role.AGENT:
        raise NotAllowed
    return await market.write(files.sending, job_id, caller.owner, lease_id)


@router.get("/output")
async def get_output(market: Market, submitter: Submitter, job_id: JobId) -> FileResponse:
    """Send the outputs to the job's submitter."""
    await market.read(views.require_visible, job_id, submitter)
    return _sent(market, job_id, await market.read(files.kept, job_id, Kind.OUTPUT))


def _received(
    market: Marketplace, job_id: str, request: Request, length: int | None, sha256: str
) -> AbstractAsyncContextManager[StoredFile]:
    return market.artifacts.received(
        job_id, request.stream(), length, sha256, lambda: market.read(files.named, job_id)
    )


def _stored(job_id: str, file: StoredFile) -> StoredArtifact:
    return StoredArtifact(job_id=job_id, bytes=file.bytes, sha256=file.sha256)


def _sent(market: Marketplace, job_id: str, file: StoredFile) -> FileResponse:
    """Answer with a file or the range asked of it; its ETag changes with its content."""
    headers = {"ETag": f'"{file.sha256}"', SHA256_HEADER: file.sha256}
    path = market.artifacts.path(job_id, file.sha256)
    return FileResponse(path, headers=headers, media_type="application/octet-stream")
