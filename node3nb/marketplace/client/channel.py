"""HTTP to one marketplace: a session for each thread, and a way to hang up on all of them."""

from __future__ import annotations

import contextlib
import functools
import socket
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import requests
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.retry import Retry

from node3nb.errors import MarketplaceError, MarketplaceUnreachable
from node3nb.marketplace.client.address import host_of, is_loopback
from node3nb.marketplace.client.answers import unreachable
from node3nb.marketplace.client.deadline import Deadline
from node3nb.transfers.cookieless import CookielessAdapter

#: Seconds to wait for a connection, and for the next bytes of an answer.
CONNECT_S, READ_S = 10.0, 30.0
#: Repeats of a call that met a broken connection or a gateway's error; every such call bears it.
REPEATED = Retry(
    total=2,
    read=1,
    allowed_methods=None,
    status_forcelist={502, 504},
    backoff_factor=0.2,
    backoff_jitter=0.2,
    respect_retry_after_header=False,
    raise_on_status=False,
    redirect=False,
)
#: No repeats: whoever calls repeats, and knows when a call may have been heard already.
ONCE = Retry(0, redirect=False, raise_on_status=False)


class Channel:
    """Calls to one server; blocking, from any thread.

    Parameters
    ----------
    url
        The server.
    retries
        Which calls are repeated.
    """

    def __init__(self, url: str, retries: Retry) -> None:
        self._url = url
        self._retries = retries
        self._local = threading.local()
        self._lines = _Lines()

    @contextlib.contextmanager
    def request(
        self, method: str, path: str, deadline: Deadline, *, wait_s: float = 0.0, **sent: Any
    ) -> Iterator[requests.Response]:
        """Make a call and give its answer, the body unread.

        Raises
        ------
        MarketplaceUnreachable
            No answer came, or not in time, or it broke off while it was read.
        """
        thread = threading.get_ident()
        self._lines.forgive(thread)
        try:
            with (
                deadline.hanging_up(lambda: self._lines.cut_those_of(thread)),
                self._begun(method, path, READ_S + wait_s, sent) as answer,
            ):
                yield answer
        except (requests.RequestException, MarketplaceError) as error:
            if isinstance(error, MarketplaceError) and not deadline.passed:
                raise
            how = requests.Timeout() if deadline.passed else error
            raise MarketplaceUnreachable(unreachable(self._url, how)) from None
        finally:
            self._lines.forgive(thread)
        if deadline.passed:  # an answer without a length ends like a whole one
            raise MarketplaceUnreachable(unreachable(self._url, requests.Timeout()))

    def _begun(
        self, method: str, path: str, read_s: float, sent: dict[str, Any]
    ) -> requests.Response:
        """Return an answer whose body is still to come.

        What goes wrong, an interrupt too, comes without the frames below: what was sent stands
        in them, key and all, and a traceback may show variables.
        """
        try:
            return self._session().request(
                method,
                self._url + path,
                timeout=(CONNECT_S, read_s),
                allow_redirects=False,
                stream=True,
                **sent,
            )
        except BaseException as error:  # noqa: BLE001 - raised again
            raise error.with_traceback(None) from None

    def hang_up(self) -> None:
        """End the calls that run, from another thread, and have all others fail."""
        self._lines.cut()

    def _session(self) -> requests.Session:
        """Return this thread's session: a session is not safe to share."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            # A proxy of the environment must not see what goes to this machine, key and all.
            session = self._local.session = _Session(proxied=not is_loopback(host_of(self._url)))
            session.auth = _no_netrc
            for scheme in ("http://", "https://"):
                session.mount(scheme, _Adapter(self._lines, self._retries))
        return session


class _Session(requests.Session):
    def __init__(self, *, proxied: bool) -> None:
        super().__init__()
        self._proxied = proxied

    def merge_environment_settings(self, *asked: Any) -> Any:
        """Take proxies and certificates from the environment, or certificates alone."""
        settings = super().merge_environment_settings(*asked)
        return settings if self._proxied else {**settings, "proxies": {}}

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Keep requests from reading redirects, whose bodies it would load whole."""


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authenticate by nothing; without it `requests` would send what ~/.netrc has for the host."""
    return request


class _Lines:
    """The open connections of a channel."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: weakref.WeakKeyDictionary[socket.socket, int] = weakref.WeakKeyDictionary()
        self._late: set[int] = set()
        self._cut = False

    def watch(self, connection: socket.socket) -> None:
        with self._lock:
            self._threads[connection] = thread = threading.get_ident()
            if self._cut or thread in self._late:
                raise ConnectionAbortedError("hung up")

    def cut(self) -> None:
        with self._lock:
            self._cut = True
            for connection in self._threads:
                _shut(connection)

    def cut_those_of(self, thread: int) -> None:
        """Have the call of a thread fail, its repeats too, until it is forgiven."""
        with self._lock:
            self._late.add(thread)
            for connection, owner in self._threads.items():
                if owner == thread:
                    _shut(connection)

    def forgive(self, thread: int) -> None:
        with self._lock:
            self._late.discard(thread)


def _shut(connection: socket.socket) -> None:
    """The method of the base class is called, as that of an SSL socket is not thread-safe."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Line(HTTPConnection):
    def __init__(self, *args: Any, lines: _Lines, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lines = lines

    def connect(self) -> None:
        super().connect()
        self._lines.watch(self.sock)


class _LineTLS(_Line, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Line


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _LineTLS


class _Adapter(CookielessAdapter):
    def __init__(self, lines: _Lines, retries: Retry) -> None:
        self._lines = lines
        super().__init__(max_retries=retries)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": functools.partial(_Pool, lines=self._lines),
            "https": functools.partial(_PoolTLS, lines=self._lines),
        }
