"""A server for one file in as few lines as do it: `plain_server.py FILE BYTES [hash]`.

It says its port first.  With `hash` it computes the SHA-256 of what it is sent, as a marketplace
has to.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FILE, SIZE, HASHES = Path(sys.argv[1]), int(sys.argv[2]), "hash" in sys.argv[3:]


class Handler(BaseHTTPRequestHandler):
    """Keeps the file on the disk, and sends it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_PUT(self) -> None:
        """Keep it; it is on the disk afterwards."""
        left, digest = int(self.headers["Content-Length"]), hashlib.sha256()
        with FILE.open("wb") as file:
            while left:
                piece = self.rfile.read(min(left, 1 << 20))
                if HASHES:
                    digest.update(piece)
                left -= file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        self._head(0)

    def do_GET(self) -> None:
        """Send it."""
        self._head(SIZE)
        with FILE.open("rb") as file:
            shutil.copyfileobj(file, self.wfile, 1 << 20)

    def _head(self, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
