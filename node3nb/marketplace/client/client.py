"""Calls to a marketplace, as an agent or a consumer makes them; blocking, from any thread."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import requests
from pydantic import BaseModel

from node3nb.errors import (
    CallNotOffered,
    ConfigError,
    JobSpecError,
    LeaseLost,
    MarketplaceBadAnswer,
    MarketplaceError,
    MarketplaceRejected,
    NotInvited,
)
from node3nb.files.archives import ArchiveLimits
from node3nb.job_checks import check_job_id
from node3nb.marketplace.client import consumer_files
from node3nb.marketplace.client.address import check_url
from node3nb.marketplace.client.answers import NOT_OURS, raise_for_status, read_as, read_object
from node3nb.marketplace.client.channel import ONCE, REPEATED, Channel
from node3nb.marketplace.client.deadline import Deadline
from node3nb.marketplace.client.job_views import ANSWER_S, JobViews
from node3nb.marketplace.wire import protocol
from node3nb.secret_text import Secret

#: Bytes of a job's outputs at the most: what they may be unpacked to, and room for headers.
MAX_OUTPUT_BYTES = ArchiveLimits().bytes + (64 << 20)
#: Status of the answer that names another place (RFC 9110, section 15.4.8).
ELSEWHERE = 307

_Answer = TypeVar("_Answer", bound=BaseModel)


class MarketplaceClient(JobViews):
    """One marketplace, one key.

    Parameters
    ----------
    url
        Where it is; `http` only on this machine unless `allow_insecure_http`.
    key
        Sent as `X-API-Key` with every call; empty for none.
    allow_insecure_http
        Whether a marketplace elsewhere may be spoken to unencrypted.

    Raises
    ------
    ConfigError
        The URL or the key can't be used.
    """

    def __init__(self, url: str, key: str = "", *, allow_insecure_http: bool = False) -> None:
        key = Secret(key)
        check_url(url, allow_insecure_http=allow_insecure_http)
        self.url = url.rstrip("/")
        self.use_key(key)
        self._calls = Channel(self.url, REPEATED)
        self._claims = Channel(self.url, ONCE)
        self._polls = Channel(self.url, ONCE)

    @property
    def headers(self) -> dict[str, str]:
        """What authenticates us; for this marketplace only."""
        return {protocol.API_KEY_HEADER: self._key} if self._key else {}

    @property
    def fingerprint(self) -> str:
        """What tells our key from another one and does not give it away; empty without one."""
        return hashlib.sha256(self._key.encode()).hexdigest()[:16] if self._key else ""

    def use_key(self, key: str) -> None:
        """Send this key from now on.

        Raises
        ------
        ConfigError
            No header can carry it.
        """
        key = Secret(key)
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ConfigError("The API key holds a blank or a character no key has; copy it anew.")
        self._key = key

    def hang_up_polls(self) -> None:
        """End the poll that waits, from another thread; there will be no other."""
        self._polls.hang_up()

    def hang_up(self) -> None:
        """End every call that runs; there will be no others."""
        for channel in (self._polls, self._claims, self._calls):
            channel.hang_up()

    def register(self, asked: protocol.Registration, invitation: str = "") -> protocol.Registered:
        """Become an agent of the marketplace, with an invitation where it asks for one.

        Raises
        ------
        NotInvited
            It asks for another, or for one at all.
        """
        return self._post(
            "/api/agents/register",
            asked,
            protocol.Registered,
            theirs={401: NotInvited, 403: MarketplaceRejected},
            headers={protocol.API_KEY_HEADER: Secret(invitation)} if invitation else None,
        )

    def heartbeat(self, heartbeat: protocol.Heartbeat | None) -> protocol.HeartbeatAnswer:
        """Say that we live; None says it in the base protocol's way, without a body."""
        return self._post("/api/agents/heartbeat", heartbeat, protocol.HeartbeatAnswer)

    def available(self, query: protocol.AvailableQuery) -> list[Any]:
        """Return the jobs on offer, unread: see `protocol.read_job`."""
        path, answer = "/api/jobs/available", protocol.AvailableAnswer
        return self._post(path, query, answer, channel=self._polls, wait_s=query.wait_s).jobs

    def accept(self, job_id: str, wallet_address: str, request_id: str = "") -> protocol.Accepted:
        """Take a job; a marketplace of ours takes two calls with one `request_id` for one.

        Raises
        ------
        LeaseLost
            Somebody else has it, or it is gone.
        """
        return self._post(
            f"/api/jobs/{job_id}/accept",
            protocol.Acceptance(wallet_address=wallet_address),
            protocol.Accepted,
            channel=self._claims,
            theirs=NOT_OURS,
            headers=_idempotent(request_id),
        )

    def complete(self, job_id: str, completion: protocol.Completion) -> None:
        """Report a job that succeeded; may be repeated under a lease, which tells it is the same.

        Raises
        ------
        LeaseLost
            Somebody else has it; `WrongState` where it is over, or gone.
        """
        self._report(f"/api/jobs/{job_id}/complete", completion)

    def fail(self, job_id: str, failed: protocol.Failure) -> None:
        """Report a job that did not succeed; what `complete` says holds here."""
        self._report(f"/api/jobs/{job_id}/fail", failed)

    def _report(self, path: str, report: protocol.Completion | protocol.Failure) -> None:
        # Without a lease a repeat is refused: whoever calls has to know whether this is one.
        channel = self._claims if report.lease_id is None else self._calls
        self._post(path, report, protocol.Heard, theirs=NOT_OURS, channel=channel)

    def release(self, job_id: str, release: protocol.Release) -> None:
        """Give a job back unrun.

        Raises
        ------
        LeaseLost
            It is not ours, or the marketplace does not know the call.
        """
        self._post(f"/api/jobs/{job_id}/release", release, protocol.Heard, theirs=_GONE)

    def submit(self, job: Mapping[str, Any], idempotency_key: str = "") -> str:
        """Submit a job and return its id.

        Raises
        ------
        JobSpecError
            JSON can't carry the job.
        MarketplaceBadAnswer
            The id is none: a person may come to type it, a shell to complete it.
        """
        try:
            json.dumps(dict(job), allow_nan=False)
        except (ValueError, TypeError, RecursionError) as error:
            raise JobSpecError(f"The job can't be sent as JSON: {error}.") from error
        headers = _idempotent(idempotency_key)
        answer = self._call("POST", "/api/jobs", json=dict(job), headers=headers)
        job_id = answer.get("job_id")
        try:
            check_job_id(job_id)
        except JobSpecError:
            raise MarketplaceBadAnswer(_NO_ID) from None
        return str(job_id)

    def cancel(self, job_id: str) -> None:
        """Call a job off."""
        self._call("POST", f"/api/jobs/{job_id}/cancel")

    def put_input(self, job_id: str, path: Path) -> None:
        """Send a job's input, to the marketplace or to where it keeps files, and see it arrive.

        Raises
        ------
        MarketplaceBadAnswer
            The marketplace has kept other bytes.
        """
        where = f"/api/jobs/{job_id}/input"
        with path.open("rb") as body:
            sha256, size = hashlib.file_digest(body, "sha256").hexdigest(), body.tell()
            body.seek(0)
            sent = {"bytes": size, "sha256": sha256}
            try:
                permit = self._call("POST", where, json=sent)
            except CallNotOffered:
                headers = {protocol.SHA256_HEADER: sha256}
                within_s = ANSWER_S + consumer_files.MIB_S * size / (1 << 20)
                kept = self._call("PUT", where, data=body, headers=headers, within_s=within_s)
            else:
                upload = consumer_files.send(self.url, permit, body)
                kept = self._call("POST", f"{where}/arrived", params={"upload": upload})
        if kept.get("sha256", sha256) != sha256:
            raise MarketplaceBadAnswer("The marketplace has kept another input; send it again.")

    def get_output(self, job_id: str, path: Path, most_bytes: int = MAX_OUTPUT_BYTES) -> None:
        """Fetch a job's outputs, a `tar.gz`, into a new file, and check their SHA-256.

        Raises
        ------
        InputError
            They are more than `most_bytes`, or not what the marketplace has named; the file holds
            a part of them.
        """
        where, deadline = f"/api/jobs/{job_id}/output", Deadline(ANSWER_S)
        with self._calls.request("GET", where, deadline, headers=self.headers) as answer:
            sha256 = answer.headers.get(protocol.SHA256_HEADER, "")
            elsewhere = answer.status_code == ELSEWHERE
            if not elsewhere:
                raise_for_status(answer, {})
                consumer_files.save(answer, deadline, path, sha256, most_bytes)
        if elsewhere:
            place = consumer_files.Elsewhere(self.url, where, self.headers)
            place.fetch(path, sha256, most_bytes)

    def status(self) -> dict[str, Any]:
        """Return what the marketplace says of itself."""
        return self._call("GET", "/api/status")

    def _post(
        self, path: str, body: BaseModel | None, answer: type[_Answer], **how: Any
    ) -> _Answer:
        sent = None if body is None else body.model_dump(mode="json", exclude_unset=True)
        return read_as(answer, self._call("POST", path, json=sent, **how))

    def _call(
        self,
        method: str,
        path: str,
        *,
        theirs: Mapping[int, type[MarketplaceError]] | None = None,
        **how: Any,
    ) -> dict[str, Any]:
        """Make one call and return the object it answers."""
        with self.call(method, path, **how) as answer:
            raise_for_status(answer, theirs or {})
            return read_object(answer)

    @contextlib.contextmanager
    def call(
        self,
        method: str,
        path: str,
        *,
        channel: Channel | None = None,
        headers: Mapping[str, str] | None = None,
        wait_s: float = 0.0,
        within_s: float = ANSWER_S,
        **sent: Any,
    ) -> Iterator[requests.Response]:
        """Make one call and give its answer, unread.

        Raises
        ------
        MarketplaceUnreachable
            No answer came, or not in time, or it broke off while it was read.
        """
        said, request = {**self.headers, **(headers or {})}, (channel or self._calls).request
        deadline = Deadline(within_s + wait_s)
        with request(method, path, deadline, wait_s=wait_s, headers=said, **sent) as answer:
            yield answer


_NO_ID = "The marketplace gave the job a name that is no id of a job; check its URL."
#: A base marketplace answers 404 or 405 to a call that is ours.
_GONE = {**NOT_OURS, 405: LeaseLost}


def _idempotent(request_id: str) -> dict[str, str]:
    return {"Idempotency-Key": request_id} if request_id else {}
