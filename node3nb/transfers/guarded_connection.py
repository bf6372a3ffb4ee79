"""Connections that are checked between connecting and the first byte sent."""

from __future__ import annotations

import contextlib
import functools
import socket
import weakref
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from node3nb.transfers.cookieless import CookielessAdapter
from node3nb.transfers.url_policy import Origin, UrlPolicy


class Guard:
    """Checks the connections of one session, and can cut them from another thread."""

    def __init__(self, policy: UrlPolicy) -> None:
        self.policy = policy
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def check_name(self, origin: Origin) -> None:
        """Resolve the host and refuse it before anything is sent into a private network."""
        if self.policy.trusts(origin):
            return
        with contextlib.suppress(OSError, UnicodeError):
            for *_, address in socket.getaddrinfo(origin.host, origin.port):
                self.policy.check_address(origin, str(address[0]))

    def check_peer(self, origin: Origin, connection: socket.socket) -> None:
        """Refuse a connection by the address that really answered.

        A name may resolve to one address when it is checked and to another when it is connected
        to (DNS rebinding), so only the peer of the open socket counts.  A peer that has our own
        address is this machine, however public the address.
        """
        peer, own = connection.getpeername()[0], connection.getsockname()[0]
        self.policy.check_address(origin, peer)
        if peer == own and not self.policy.trusts(origin):
            self.policy.check_address(origin, "127.0.0.1")

    def watch(self, connection: socket.socket) -> None:
        """Have a connection cut by the next `cut`."""
        self._sockets.add(connection)

    def cut(self) -> None:
        """End every connection, so that whoever waits on one wakes with an error.

        The method of the base class is called, as that of an SSL socket is not thread-safe.
        """
        for connection in list(self._sockets):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Guarded(HTTPConnection):
    """A connection that checks its peer between connecting and the TLS handshake."""

    scheme = "http"

    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard

    def _new_conn(self) -> socket.socket:
        origin = Origin(self.scheme, self.host.strip("[]").lower(), self.port or self.default_port)
        self._guard.check_name(origin)
        connection = super()._new_conn()
        try:
            self._guard.check_peer(origin, connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def connect(self) -> None:
        super().connect()
        self._guard.watch(self.sock)


class _GuardedTLS(_Guarded, HTTPSConnection):
    scheme = "https"


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Guarded


class _PoolTLS(HTTPSConnectionPool):
    ConnectionCls = _GuardedTLS


class GuardedAdapter(CookielessAdapter):
    """Makes guarded connections, except to a proxy: then the proxy resolves and connects."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make pools whose connections are guarded."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": functools.partial(_Pool, guard=self._guard),
            "https": functools.partial(_PoolTLS, guard=self._guard),
        }
