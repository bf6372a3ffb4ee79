"""A server whose every answer is what a test says, whatever was asked."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: Writes one answer.
Answer = Callable[[BaseHTTPRequestHandler], None]


@contextlib.contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Serve every call by a function, and give the server's URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with contextlib.suppress(OSError):
                answer(self)
            self.close_connection = True

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def said(content: object) -> Answer:
    """Return what answers an object in JSON."""

    def answer(call: BaseHTTPRequestHandler) -> None:
        body = json.dumps(content).encode()
        begin(call, len(body))
        call.wfile.write(body)

    return answer


def begin(call: BaseHTTPRequestHandler, length: int) -> None:
    """Begin an answer of so many bytes."""
    call.send_response(200)
    call.send_header("Content-Length", str(length))
    call.end_headers()
