"""HTTP with a container engine on its unix socket, as Docker and Podman both speak it.

Paths carry no version, so that each engine answers in its own.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from email.message import Message
from typing import Any
from urllib.parse import urlencode

#: Seconds an engine gets for one answer.
CALL_S = 30.0
#: Bytes of an answer that are read: far above a long list of containers.
MOST_BYTES = 64 << 20
#: Longest head of an answer that is no HTTP client's to read, in bytes.
MOST_HEAD_BYTES = 1 << 16
#: Characters of an engine's words that are passed on.
MOST_WORDS = 500


class EngineRefusal(Exception):
    """The engine answered that it can't or won't.

    Attributes
    ----------
    status
        Its HTTP status.
    words
        What it said, shortened.
    """

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


class EngineGone(Exception):
    """The engine did not answer."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("engine", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = _connected(self._path, self.timeout)


class EngineAPI:
    """Calls of one engine; each opens a connection of its own, so threads may share it.

    Parameters
    ----------
    path
        Its unix socket.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        timeout_s: float = CALL_S,
        **query: object,
    ) -> Any:
        """Return what the engine answers, decoded where it is JSON.

        Raises
        ------
        EngineRefusal
            It answered with an error.
        EngineGone
            It did not answer in time, or not at all.
        """
        answer, data = self._answer(method, path, body, timeout_s, query)
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise EngineRefusal(answer.status, _complaint(data))
        return _decoded(data)

    def head(self, path: str, /, **query: object) -> Message:
        """Return the head of an answer, also of the one that something is not there.

        Raises
        ------
        EngineRefusal, EngineGone
            As `call`.
        """
        answer, _ = self._answer("HEAD", path, None, CALL_S, query)
        if answer.status not in {http.HTTPStatus.OK, http.HTTPStatus.NOT_FOUND}:
            raise EngineRefusal(answer.status, answer.reason)
        return answer.headers

    def _answer(
        self, method: str, path: str, body: object, timeout_s: float, query: dict[str, object]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        try:
            with self._open(method, path, body, timeout_s, query) as answer:
                return answer, answer.read(MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise EngineGone(_words(error)) from error

    def stream(
        self,
        method: str,
        path: str,
        *,
        opened: Callable[[socket.socket], None] = lambda _: None,
        timeout_s: float = CALL_S,
        **query: object,
    ) -> Iterator[dict[str, Any]]:
        """Yield the JSON objects of an answer that goes on; leaving it hangs up.

        Parameters
        ----------
        opened
            Told its connection, so that another thread may shut it down.
        timeout_s
            Longest silence between two of them, in seconds.

        Raises
        ------
        EngineRefusal, EngineGone
            As `call`.
        """
        try:
            with self._open(method, path, None, timeout_s, query, opened=opened) as answer:
                if answer.status >= http.HTTPStatus.BAD_REQUEST:
                    raise EngineRefusal(answer.status, _complaint(answer.read(MOST_BYTES)))
                while line := answer.readline(MOST_BYTES):
                    told = _decoded(line)
                    if isinstance(told, dict):
                        yield told
        except (OSError, http.client.HTTPException) as error:
            raise EngineGone(_words(error)) from error

    def _open(
        self,
        method: str,
        path: str,
        body: object,
        timeout_s: float,
        query: dict[str, object],
        *,
        opened: Callable[[socket.socket], None] = lambda _: None,
    ) -> http.client.HTTPResponse:
        connection = _UnixConnection(self.path, timeout_s)
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json", "Connection": "close"}
        try:
            connection.connect()
            opened(connection.sock)
            connection.request(method, _target(path, query), content, headers)
            return connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def attach(self, container: str, *, stdin: bool) -> socket.socket:
        """Return the raw stream of a container's output, and of its input if asked.

        Raises
        ------
        EngineRefusal, EngineGone
            As `call`.
        """
        query: dict[str, object] = {"stream": 1, "stdout": 1, "stderr": 1, "stdin": int(stdin)}
        target = _target(f"/containers/{container}/attach", query)
        head = f"POST {target} HTTP/1.1\r\nHost: engine\r\nContent-Length: 0\r\n"
        stream = None
        try:
            stream = _connected(self.path, CALL_S)
            stream.sendall(f"{head}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode())
            answer = _read_head(stream)
        except OSError as error:
            if stream is not None:
                stream.close()
            raise EngineGone(_words(error)) from error
        status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0
        if status not in {http.HTTPStatus.SWITCHING_PROTOCOLS, http.HTTPStatus.OK}:
            with stream:
                raise EngineRefusal(status, _complaint(stream.recv(MOST_HEAD_BYTES)))
        return stream


def _connected(path: str, timeout_s: float | None) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout_s)
    try:
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _target(path: str, query: dict[str, object]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _read_head(stream: socket.socket) -> bytes:
    """Read an answer's head and nothing behind it: what follows is not HTTP any more."""
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < MOST_HEAD_BYTES:
        byte = stream.recv(1)
        if not byte:
            raise ConnectionResetError("it hung up")
        head += byte
    return head


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data


def _complaint(data: bytes) -> str:
    told = _decoded(data)
    words = told.get("message") or told.get("cause") if isinstance(told, dict) else None
    return str(words or data.decode("utf-8", "replace")).strip()[:MOST_WORDS]


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
