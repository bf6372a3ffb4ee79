"""A network between a client and a server that swallows answers when told to."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

CALL_S = 60.0


class LossyNetwork(ThreadingHTTPServer):
    """Passes every call on; an answer that is swallowed ends the connection instead."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self._lock = threading.Lock()
        self._swallowed: list[tuple[re.Pattern[str], int]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def swallow(self, path: str, count: int) -> None:
        """Swallow the answers to the next calls whose path matches a pattern."""
        with self._lock:
            self._swallowed.append((re.compile(path), count))

    def swallows(self, path: str) -> bool:
        with self._lock:
            for index, (pattern, count) in enumerate(self._swallowed):
                if count and pattern.search(path):
                    self._swallowed[index] = (pattern, count - 1)
                    return True
        return False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a connection that breaks is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LossyNetwork

    def log_message(self, *args: Any) -> None:
        """Print nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        url = self.server.target + self.path
        answer = requests.request(
            self.command, url, headers=headers, data=body, timeout=CALL_S, allow_redirects=False
        )
        if self.server.swallows(self.path):
            self.close_connection = True
            return
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(answer.content)))
        for name, value in answer.headers.items():
            if name.lower().startswith("x-"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_PUT = do_PATCH = do_POST


@contextlib.contextmanager
def lossy(target: str) -> Iterator[LossyNetwork]:
    """Run such a network until the block ends."""
    network = LossyNetwork(target)
    thread = threading.Thread(target=network.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield network
    finally:
        network.shutdown()
        thread.join()
        network.server_close()
