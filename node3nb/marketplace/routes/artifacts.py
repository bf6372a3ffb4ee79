"""Calls that carry files: inputs from the submitter to the agent, outputs back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from node3nb.marketplace.artifacts.keeper import Slot
from node3nb.marketplace.context import Marketplace
from node3nb.marketplace.keys import Caller, Role
from node3nb.marketplace.problems import answers
from node3nb.marketplace.refusals import NotOffered, Unacceptable
from node3nb.marketplace.routes.access import (
    JobId,
    Known,
    LeaseId,
    Market,
    Submitter,
    Token,
    holder_by_token,
    required,
)
from node3nb.marketplace.store import attempts, files, views
from node3nb.marketplace.store.attempts import Attempt
from node3nb.marketplace.store.files import Kept
from node3nb.marketplace.wire.protocol import (
    SHA256_HEADER,
    JobStatus,
    StoredArtifact,
    UploadAsked,
    UploadPermit,
)
from node3nb.marketplace.wire.words import ArtifactKind

router = APIRouter(prefix="/api/jobs/{job_id}")

#: Refusals of a call about the files of one job.
_ONES = answers(401, 403, 404, 409)
#: Refusals of a call that sends a file, and of one that asks where it is sent.
_SENT, _ASKED = _ONES | answers(507), _ONES | answers(405, 507)
#: What a call that fetches a file answers where files are kept in a bucket.
_FETCHED = _ONES | {307: {"description": "The file is at `Location`, for some minutes."}}

Sha256 = Annotated[
    str | None, Header(alias=SHA256_HEADER, pattern="^[0-9a-fA-F]{64}$", max_length=64)
]
UploadName = Annotated[str, Query(pattern="^[0-9a-f]{2}/[0-9a-f]{38}$")]
Length = Annotated[int | None, Header(alias="Content-Length", ge=0)]


@router.put("/input", responses=_SENT)
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
    announced = await _announced_input(market, submitter, job_id, sha256)
    slot = Slot(job_id, ArtifactKind.INPUT)
    async with market.artifacts.received(slot, request.stream(), length, announced) as file:
        kept = await market.write(files.keep_input, job_id, file, market.now())
    return await _stored(market, job_id, kept)


@router.post("/input", responses=_ASKED)
async def permit_input(
    market: Market, submitter: Submitter, job_id: JobId, asked: UploadAsked
) -> UploadPermit:
    """Say where the input of a job that waits for it is sent, past the server."""
    await _announced_input(market, submitter, job_id, asked.sha256)
    return await _permit(market, Slot(job_id, ArtifactKind.INPUT), asked)


@router.post("/input/arrived", responses=_ONES)
async def input_arrived(
    market: Market, submitter: Submitter, job_id: JobId, upload: UploadName
) -> StoredArtifact:
    """Keep the input that was sent past the server, and offer the job."""
    await market.read(views.require_visible, job_id, submitter)
    file = await market.artifacts.arrived(Slot(job_id, ArtifactKind.INPUT), upload)
    kept = await market.write(files.keep_input, job_id, file, market.now())
    return await _stored(market, job_id, kept)


async def _announced_input(
    market: Marketplace, submitter: Caller, job_id: str, sha256: str | None
) -> str:
    """Return the SHA-256 that the input must have; empty when none was named."""
    await market.read(views.require_visible, job_id, submitter)
    announced = await market.read(files.expected_input, job_id)
    if sha256 and announced and sha256.lower() != announced.lower():
        raise Unacceptable(f"{SHA256_HEADER}: it is not the `input_sha256` of the job.")
    return sha256 or announced


@router.get("/input", responses=_FETCHED)
@router.get("/input/{name}", responses=_FETCHED)
async def get_input(
    market: Market,
    job_id: JobId,
    caller: Known,
    token: Token = None,
    lease_id: LeaseId = None,
) -> Response:
    """Send the input, to its submitter or to the agent that holds the job."""
    attempt = await _fetcher(market, job_id, caller, token, lease_id)
    file = await market.read(files.kept, job_id, ArtifactKind.INPUT)
    if attempt is not None and attempt.job_status is JobStatus.ACCEPTED:
        await market.write(files.fetching, attempt)
    return await market.artifacts.answer(file)


async def _fetcher(
    market: Marketplace, job_id: str, sender: Caller | None, token: str | None, lease_id: str | None
) -> Attempt | None:
    """Return the attempt of the agent that fetches; None when the submitter does."""
    if token is not None:
        return await holder_by_token(market, job_id, token)
    caller = required(sender, Role.CONSUMER, Role.AGENT, Role.ADMIN)
    if caller.role is not Role.AGENT:
        await market.read(views.require_visible, job_id, caller)
        return None
    attempt = await market.read(attempts.find, job_id, caller.owner, lease_id)
    attempts.require_open(attempt, lease_id)
    return attempt


@router.put("/output", responses=_SENT)
async def put_output(
    market: Market,
    job_id: JobId,
    request: Request,
    *,
    caller: Known,
    token: Token = None,
    lease_id: LeaseId = None,
    sha256: Sha256 = None,
    length: Length = None,
) -> StoredArtifact:
    """Keep the outputs that the agent which holds the job sends."""
    attempt = await _sender(market, job_id, caller, token, lease_id)
    slot = Slot(job_id, ArtifactKind.OUTPUT, attempt.acceptance)
    async with market.artifacts.received(slot, request.stream(), length, sha256 or "") as file:
        kept = await market.write(files.keep_output, attempt, lease_id, file, market.now())
    return await _stored(market, job_id, kept)


@router.post("/output", responses=_ASKED)
async def permit_output(
    market: Market,
    job_id: JobId,
    asked: UploadAsked,
    *,
    caller: Known,
    token: Token = None,
    lease_id: LeaseId = None,
) -> UploadPermit:
    """Say where the agent which holds the job sends its outputs, past the server."""
    attempt = await _sender(market, job_id, caller, token, lease_id)
    slot = Slot(job_id, ArtifactKind.OUTPUT, attempt.acceptance)
    return await _permit(market, slot, asked)


@router.post("/output/arrived", responses=_ONES)
async def output_arrived(
    market: Market,
    job_id: JobId,
    upload: UploadName,
    *,
    caller: Known,
    token: Token = None,
    lease_id: LeaseId = None,
) -> StoredArtifact:
    """Keep the outputs that were sent past the server."""
    attempt = await _sender(market, job_id, caller, token, lease_id)
    slot = Slot(job_id, ArtifactKind.OUTPUT, attempt.acceptance)
    file = await market.artifacts.arrived(slot, upload)
    kept = await market.write(files.keep_output, attempt, lease_id, file, market.now())
    return await _stored(market, job_id, kept)


async def _sender(
    market: Marketplace, job_id: str, sender: Caller | None, token: str | None, lease_id: str | None
) -> Attempt:
    if token is not None:
        attempt = await holder_by_token(market, job_id, token)
        return await market.write(files.sending, job_id, attempt.agent_id, attempt.lease_id)
    caller = required(sender, Role.AGENT)
    return await market.write(files.sending, job_id, caller.owner, lease_id)


@router.get("/output", responses=_FETCHED)
async def get_output(market: Market, submitter: Submitter, job_id: JobId) -> Response:
    """Send the outputs to the job's submitter."""
    await market.read(views.require_visible, job_id, submitter)
    file = await market.read(files.kept, job_id, ArtifactKind.OUTPUT)
    return await market.artifacts.answer(file)


async def _permit(market: Marketplace, slot: Slot, asked: UploadAsked) -> UploadPermit:
    permitted = await market.artifacts.permit(slot, asked)
    if permitted is None:
        raise NotOffered
    name, permit = permitted
    return UploadPermit(upload_url=permit.url, headers=dict(permit.headers), upload=name)


async def _stored(market: Marketplace, job_id: str, kept: Kept) -> StoredArtifact:
    await market.artifacts.remove(kept.spare)
    market.announce(kept.freed)
    return StoredArtifact(job_id=job_id, bytes=kept.file.bytes, sha256=kept.file.sha256)
