"""A real HTTP server on loopback that keeps files and misbehaves on request."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    """What one client asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Resource:
    """One path and how it behaves, one quirk consumed per request where they are lists."""

    content: bytes = b""
    etag: str = ""
    #: Statuses answered, one per request, before the normal answer.
    failures: list[int] = field(default_factory=list)
    #: Bytes after which the connection is dropped, one per request.
    cuts: list[int] = field(default_factory=list)
    #: Called before each answer, with the number of requests so far.
    before: Callable[[int], None] = lambda _: None
    headers: dict[str, str] = field(default_factory=dict)
    redirect: str = ""
    redirect_status: int = 302
    ranges: bool = True
    chunked: bool = False
    #: Added to the announced length.
    lie: int = 0
    #: Set by the test to let a silent answer go on; None answers at once.
    hold: threading.Event | None = None
    asked: int = 0


class FileServer(ThreadingHTTPServer):
    """Files by path; everything asked is remembered."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.resources: dict[str, Resource] = {}
        self.requests: list[Request] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def put(self, path: str, content: bytes = b"", **quirks: object) -> str:
        """Offer a file and return its URL."""
        etag = quirks.pop("etag", f'"{hashlib.sha256(content).hexdigest()[:16]}"')
        self.resources[path] = Resource(content, etag=str(etag), **quirks)  # type: ignore[arg-type]
        return self.origin + path

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away."""


class _Handler(BaseHTTPRequestHandler):
    server: FileServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        self.server.requests.append(Request(self.command, self.path, dict(self.headers), body))
        resource = self.server.resources.get(path)
        if resource is None:
            self._empty(404)
            return
        resource.asked += 1
        resource.before(resource.asked)
        if resource.hold is not None:
            resource.hold.wait(30)
        if resource.failures:
            self._empty(resource.failures.pop(0), resource.headers)
        elif resource.redirect:
            self._empty(resource.redirect_status, {"Location": resource.redirect})
        elif self.command == "PUT":
            resource.content = body
            self._empty(201)
        else:
            self._content(resource)

    def _empty(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _content(self, resource: Resource) -> None:
        start = self._start(resource)
        content = resource.content[start:]
        self.send_response(206 if start else 200)
        for name, value in resource.headers.items():
            self.send_header(name, value)
        if resource.etag:
            self.send_header("ETag", resource.etag)
        if start:
            total = len(resource.content)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if resource.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(content) + resource.lie))
        self.end_headers()
        cut = resource.cuts.pop(0) if resource.cuts else None
        self._write(content[:cut], resource.chunked, whole=cut is None)

    def _start(self, resource: Resource) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        fresh = self.headers.get("If-Range") == resource.etag
        return int(asked[1]) if asked and resource.ranges and fresh else 0

    def _write(self, content: bytes, chunked: bool, whole: bool) -> None:
        if not chunked:
            self.wfile.write(content)
        else:
            for start in range(0, len(content), 4096):
                piece = content[start : start + 4096]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if whole:
                self.wfile.write(b"0\r\n\r\n")
        if not whole:
            self.close_connection = True


@contextlib.contextmanager
def file_server() -> Iterator[FileServer]:
    """Run a server until the block ends."""
    server = FileServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
