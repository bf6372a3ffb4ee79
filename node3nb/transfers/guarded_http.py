"""HTTP to servers that a job names: every connection is checked before a byte is sent."""

from __future__ import annotations

import contextlib
import http.cookiejar
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import IO
from urllib.parse import urljoin

import requests
import urllib3
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url

from node3nb.transfers.guarded_connection import Guard, GuardedAdapter
from node3nb.transfers.retries import Retries, TransferBroken
from node3nb.transfers.url_policy import UrlPolicy, UrlRefused, shown

#: Seconds to connect, and seconds a connection may be silent.
TIMEOUTS_S = (10.0, 60.0)
#: Redirects followed for one request.
MAX_REDIRECTS = 5
#: Bytes read from a connection at a time.
CHUNK_BYTES = 1 << 18
#: Bytes of an unwanted body read so that its connection can be used again.
_DRAINED_BYTES = 1 << 16
#: Seconds between two looks for a cancellation.
_WATCH_S = 0.1

_FOLLOWED: Mapping[str, frozenset[int]] = {
    "GET": frozenset({301, 302, 303, 307, 308}),
    "PUT": frozenset({301, 302, 307, 308}),
    "POST": frozenset(),
}


class GuardedSession(requests.Session):
    """One thread's connections to servers that jobs name.

    The environment's proxies and certificates are honoured; its `~/.netrc` never is, and cookies
    are not kept.  Behind a proxy of the environment only the host as the URL writes it is
    checked: what a name resolves to is then the proxy's business, and its to restrict.

    Parameters
    ----------
    policy
        Which servers may be reached.
    headers
        Headers, such as a key, for the marketplace's own origin and nobody else.
    """

    def __init__(self, policy: UrlPolicy, headers: Mapping[str, str]) -> None:
        super().__init__()
        self._policy = policy
        self._private_headers = dict(headers)
        self._guard = Guard(policy)
        self.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self.headers["User-Agent"] = "node3nb"
        for scheme in ("http://", "https://"):
            self.mount(scheme, GuardedAdapter(self._guard))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Keep requests from reading redirects, whose bodies it would load whole."""

    def open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        private_headers: Mapping[str, str] | None = None,
        data: IO[bytes] | None = None,
    ) -> requests.Response:
        """Send a request and return the response, its body unread, redirects followed.

        Parameters
        ----------
        headers
            Headers for whoever answers.
        private_headers
            Further headers for the marketplace's own origin only.
        data
            Body of the request; rewound for every server that is asked.

        Raises
        ------
        UrlRefused
            The URL, or one it redirects to, may not be reached.
        TransferBroken
            No answer came.
        """
        for _ in range(MAX_REDIRECTS + 1):
            response = self._ask(method, url, headers, private_headers or {}, data)
            location = response.headers.get("Location")
            if not location or response.status_code not in _FOLLOWED[method]:
                return response
            drain(response)
            url = _next_url(str(response.url), location)
        raise UrlRefused(
            f"{shown(url)} was reached by more than {MAX_REDIRECTS} redirects; "
            "give the URL that they lead to."
        )

    @contextlib.contextmanager
    def interruptible(self, retries: Retries) -> Iterator[None]:
        """Cut the connections as soon as the transfer is over, however long they are silent."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_WATCH_S):
                if retries.over:
                    self._guard.cut()

        watcher = threading.Thread(target=watch, name="node3nb-transfer-watch", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()

    def _ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        private_headers: Mapping[str, str],
        data: IO[bytes] | None,
    ) -> requests.Response:
        self._policy.check(url)
        prepared = self._prepared(method, url, headers, data)
        target = str(prepared.url)
        self._policy.check(target)
        if self._policy.is_marketplace(target):
            prepared.headers.update(self._private_headers | dict(private_headers))
        settings = self.merge_environment_settings(target, {}, True, None, None)
        with _network_errors():
            return self.send(prepared, allow_redirects=False, timeout=TIMEOUTS_S, **settings)

    def _prepared(
        self, method: str, url: str, headers: Mapping[str, str], data: IO[bytes] | None
    ) -> requests.PreparedRequest:
        try:
            request = requests.Request(
                method, url, dict(headers), data=_whole(data), auth=_auth(url)
            )
            return self.prepare_request(request)
        except (requests.RequestException, ValueError) as error:
            raise UrlRefused(f"{shown(url)} is no valid URL; correct it.") from error


def body(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as the server sent it, no content coding undone.

    Raises
    ------
    TransferBroken
        The connection broke before its end.
    """
    stream = response.raw.stream(CHUNK_BYTES, decode_content=False)
    while True:
        with _network_errors():
            chunk = next(stream, None)
        if chunk is None:
            return
        yield chunk


def drain(response: requests.Response) -> None:
    """Be done with a response; its connection is kept when little of it was left."""
    with contextlib.closing(response), contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
        response.raw.read(_DRAINED_BYTES, decode_content=False)


@contextlib.contextmanager
def _network_errors() -> Iterator[None]:
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise TransferBroken("its certificate is not accepted") from error
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise TransferBroken("it did not answer in time") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise TransferBroken("it could not be reached or the connection broke") from error


def _whole(data: IO[bytes] | None) -> IO[bytes] | bytes:
    """Return a body from its start; requests sends an empty file without a length."""
    if data is None:
        return b""
    data.seek(0)
    empty = not data.read(1)
    data.seek(0)
    return b"" if empty else data


def _auth(url: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Return what keeps requests from looking into ~/.netrc: the URL's own word, or nothing."""
    user, password = get_auth_from_url(url)
    return HTTPBasicAuth(user, password) if user or password else lambda prepared: prepared


def _next_url(url: str, location: str) -> str:
    try:
        target = urljoin(url, location.encode("latin-1").decode("utf-8"))
    except ValueError as error:
        raise UrlRefused(f"{shown(url)} redirects to no valid URL; give another.") from error
    if url.startswith("https:") and not target.startswith("https:"):
        raise UrlRefused(f"{shown(url)} redirects away from https; give an https URL.")
    return target
