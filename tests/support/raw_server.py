"""A server that answers every connection with the bytes a test chose, HTTP or not."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator


class RawServer(socketserver.ThreadingTCPServer):
    """Reads one call, writes `answer`, hangs up."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        #: What is answered from now on.
        self.answer = b""
        #: Calls answered.
        self.calls = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    server: RawServer
    timeout = 30

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            length = 0
            while (line := self.rfile.readline(65_536)) not in {b"", b"\r\n"}:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            self.rfile.read(length)
            self.server.calls += 1
            self.wfile.write(self.server.answer)


@contextlib.contextmanager
def raw_server() -> Iterator[RawServer]:
    """Serve until the block ends."""
    with RawServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
