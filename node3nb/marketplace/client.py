"""Calls to a marketplace, as an agent or a consumer makes them; blocking, from any thread."""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel, ValidationError
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from node3nb.errors import (
    CallNotOffered,
    ConfigError,
    LeaseLost,
    MarketplaceBadAnswer,
    MarketplaceBusy,
    MarketplaceError,
    MarketplaceRejected,
    MarketplaceUnauthorized,
    MarketplaceUnreachable,
)
from node3nb.job_checks import printable
from node3nb.marketplace import protocol

#: Largest answer read, in bytes.
MAX_ANSWER_BYTES = 8 << 20
#: Seconds to wait for a connection, and for the next bytes of an answer.
CONNECT_S, READ_S = 10.0, 30.0
#: Repeats of a call that met a broken connection or a gateway's error; every call bears it.
RETRIES = Retry(
    total=2,
    allowed_methods=None,
    status_forcelist={502, 503, 504},
    backoff_factor=0.2,
    backoff_jitter=0.2,
    respect_retry_after_header=False,
    raise_on_status=False,
    redirect=False,
)
#: Longest wait that a server's Retry-After can ask of us, in seconds.
MAX_RETRY_AFTER_S = 600.0

_Answer = TypeVar("_Answer", bound=BaseModel)


class MarketplaceClient:
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
        The URL can't be used.
    """

    def __init__(self, url: str, key: str = "", *, allow_insecure_http: bool = False) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._local = threading.local()
        check_url(self.url, allow_insecure_http=allow_insecure_http)

    @property
    def headers(self) -> dict[str, str]:
        """What authenticates us; for this marketplace only."""
        return {protocol.API_KEY_HEADER: self._key} if self._key else {}

    def use_key(self, key: str) -> None:
        """Send this key from now on."""
        self._key = key

    def register(self, registration: protocol.Registration) -> protocol.Registered:
        """Become an agent of the marketplace."""
        return self._post("/api/agents/register", registration, protocol.Registered)

    def heartbeat(self, heartbeat: protocol.Heartbeat | None) -> protocol.HeartbeatAnswer:
        """Say that we live; None says it in the base protocol's way, without a body."""
        return self._post("/api/agents/heartbeat", heartbeat, protocol.HeartbeatAnswer)

    def available(self, query: protocol.AvailableQuery) -> list[Any]:
        """Return the jobs on offer, unread: see `protocol.read_job`."""
        answer = self._post(
            "/api/jobs/available", query, protocol.AvailableAnswer, wait_s=query.wait_s
        )
        return answer.jobs

    def accept(self, job_id: str, wallet_address: str) -> protocol.Accepted:
        """Take a job.

        Raises
        ------
        LeaseLost
            Somebody else has it, or it is gone.
        """
        body = protocol.Acceptance(wallet_address=wallet_address)
        return self._post(f"/api/jobs/{job_id}/accept", body, protocol.Accepted, theirs=_TAKEN)

    def complete(self, job_id: str, completion: protocol.Completion) -> None:
        """Report a job that succeeded; may be repeated."""
        self._post(f"/api/jobs/{job_id}/complete", completion, protocol.Heard, theirs=_TAKEN)

    def fail(self, job_id: str, failed: protocol.Failure) -> None:
        """Report a job that did not succeed; may be repeated."""
        self._post(f"/api/jobs/{job_id}/fail", failed, protocol.Heard, theirs=_TAKEN)

    def release(self, job_id: str, release: protocol.Release) -> None:
        """Give a job back unrun.

        Raises
        ------
        CallNotOffered
            The marketplace speaks only the base protocol.
        """
        self._post(f"/api/jobs/{job_id}/release", release, protocol.Heard)

    def submit(self, job: Mapping[str, Any], idempotency_key: str = "") -> str:
        """Submit a job and return its id."""
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        answer = self._call("POST", "/api/jobs", json=dict(job), headers=headers)
        job_id = answer.get("job_id")
        if not isinstance(job_id, str):
            raise MarketplaceBadAnswer
        return job_id

    def job(self, job_id: str) -> protocol.JobView:
        """Return a job as its submitter sees it."""
        return _read(protocol.JobView, self._call("GET", f"/api/jobs/{job_id}"))

    def jobs(self, **query: str) -> list[protocol.JobView]:
        """Return the jobs this key may see, newest first."""
        answer = self._call("GET", "/api/jobs", params=query)
        listed = answer.get("jobs")
        if not isinstance(listed, list):
            raise MarketplaceBadAnswer
        return [_read(protocol.JobView, each) for each in listed]

    def cancel(self, job_id: str) -> None:
        """Call a job off."""
        self._call("POST", f"/api/jobs/{job_id}/cancel")

    def put_input(self, job_id: str, path: Path) -> None:
        """Send a job's input."""
        with path.open("rb") as body:
            self._call("PUT", f"/api/jobs/{job_id}/input", data=body)

    def get_output(self, job_id: str, path: Path) -> None:
        """Fetch a job's outputs, a `tar.gz`, into a new file."""
        with self._request("GET", f"/api/jobs/{job_id}/output", stream=True) as answer:
            _raise_for_status(answer, {})
            with path.open("xb") as file:
                for chunk in answer.iter_content(1 << 20):
                    file.write(chunk)

    def status(self) -> dict[str, Any]:
        """Return what the marketplace says of itself."""
        return self._call("GET", "/api/status")

    def _post(
        self,
        path: str,
        body: BaseModel | None,
        answer: type[_Answer],
        *,
        wait_s: float = 0.0,
        theirs: Mapping[int, type[MarketplaceError]] | None = None,
    ) -> _Answer:
        sent = None if body is None else body.model_dump(mode="json", exclude_unset=True)
        told = self._call("POST", path, json=sent, wait_s=wait_s, theirs=theirs or {})
        return _read(answer, told)

    def _call(
        self,
        method: str,
        path: str,
        *,
        wait_s: float = 0.0,
        theirs: Mapping[int, type[MarketplaceError]] | None = None,
        **sent: Any,
    ) -> dict[str, Any]:
        """Make one call and return the object it answers."""
        try:
            with self._request(method, path, wait_s=wait_s, stream=True, **sent) as answer:
                _raise_for_status(answer, theirs or {})
                return _object(answer)
        except requests.RequestException as error:
            raise MarketplaceUnreachable(_unreachable(self.url, error)) from error

    def _request(
        self, method: str, path: str, *, wait_s: float = 0.0, **sent: Any
    ) -> requests.Response:
        headers = {**self.headers, **sent.pop("headers", {})}
        try:
            return self._session().request(
                method,
                self.url + path,
                headers=headers,
                timeout=(CONNECT_S, READ_S + wait_s),
                allow_redirects=False,
                **sent,
            )
        except requests.RequestException as error:
            raise MarketplaceUnreachable(_unreachable(self.url, error)) from error

    def _session(self) -> requests.Session:
        """Return this thread's session: a session is not safe to share."""
        if not hasattr(self._local, "session"):
            session = requests.Session()
            session.auth = _no_netrc
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
            self._local.session = session
        session = self._local.session
        assert isinstance(session, requests.Session)
        return session


#: What 400, 403, 404 and 409 mean for a call about one job: it is not ours.
_TAKEN: Mapping[int, type[MarketplaceError]] = {
    400: LeaseLost,
    403: LeaseLost,
    404: LeaseLost,
    409: LeaseLost,
}


def check_url(url: str, *, allow_insecure_http: bool) -> None:
    """Refuse a marketplace's URL that is none, or that would send the key unencrypted.

    Raises
    ------
    ConfigError
        With what to do instead.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"{printable(url)} is no marketplace; give a URL like https://host:port.")
    if parts.username or parts.password:
        raise ConfigError("Take name and password out of the marketplace's URL; keys have files.")
    if parts.scheme == "http" and not allow_insecure_http and not is_loopback(parts.hostname):
        raise ConfigError(
            f"{parts.hostname} is another machine and http is unencrypted; use https, "
            "or say allow_insecure_http=True (--allow-insecure-http)."
        )


def is_loopback(host: str) -> bool:
    """Return whether a host name is this machine's loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authenticate by nothing; without it `requests` would send what ~/.netrc has for the host."""
    return request


def _object(answer: requests.Response) -> dict[str, Any]:
    body = bytearray()
    for chunk in answer.iter_content(1 << 16):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise MarketplaceBadAnswer("The marketplace's answer is too large; check its URL.")
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise MarketplaceBadAnswer(
            "The marketplace answered something other than JSON; check its URL."
        ) from None
    if not isinstance(told, dict):
        raise MarketplaceBadAnswer
    return told


def _read(model: type[_Answer], told: Any) -> _Answer:
    try:
        return model.model_validate(told)
    except ValidationError as error:
        complaint = protocol.first_complaint(error)
        raise MarketplaceBadAnswer(
            f"The marketplace's answer is not its protocol: {complaint}"
        ) from None


def _raise_for_status(
    answer: requests.Response, theirs: Mapping[int, type[MarketplaceError]]
) -> None:
    """Turn a refusal into what it means for the caller."""
    code = answer.status_code
    if code < 300:
        return
    said = _detail(answer)
    if code in theirs:
        raise theirs[code](said or None)
    if code in {401, 403}:
        raise MarketplaceUnauthorized
    if code in {404, 405}:
        raise CallNotOffered(said or None)
    if code in {400, 415, 422}:
        raise MarketplaceRejected(said or None)
    if code in {429, 503}:
        wait_s = _retry_after_s(answer)
        raise MarketplaceBusy(
            f"The marketplace is busy; it is asked again in {wait_s:g} s.", wait_s
        )
    raise MarketplaceError(f"The marketplace answered {code}{': ' + said if said else ''}.")


def _detail(answer: requests.Response) -> str:
    """Return the sentence of an error's body, made inert and short; empty without one."""
    try:
        detail = _object(answer).get("detail", "")
    except (MarketplaceBadAnswer, requests.RequestException):
        return ""
    return printable(detail, 300).strip("'\"") if isinstance(detail, str) else ""


def _retry_after_s(answer: requests.Response) -> float:
    try:
        asked = float(answer.headers.get("Retry-After", "5"))
    except ValueError:
        return 30.0
    return min(max(asked, 1.0), MAX_RETRY_AFTER_S)


def _unreachable(url: str, error: Exception) -> str:
    host = urlsplit(url).netloc
    kind = "did not answer in time" if isinstance(error, requests.Timeout) else "can't be reached"
    return f"The marketplace at {host} {kind}; check its URL and your network."
