"""A small registry on loopback: as much of the distribution API as a pull needs."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
#: Longest time a blob is held back, in seconds.
_WITHHELD_S = 60.0


class Registry:
    """Images by name, each of layers with a file of so many bytes."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}
        self._manifests: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.authorized: list[str] = []
        #: Blobs that are not sent as long as their event is not set.
        self.withheld: dict[str, threading.Event] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    def add(self, name: str, tag: str, *contents: bytes) -> str:
        """Offer an image with a layer for each content and return its digest."""
        layers = [_layer(content) for content in contents]
        settings = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/file"]},
            "rootfs": {
                "type": "layers",
                "diff_ids": [_digest(gzip.decompress(layer)) for layer in layers],
            },
        }
        config = json.dumps(settings).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": self._blob(config, "application/vnd.docker.container.image.v1+json"),
                "layers": [
                    self._blob(layer, "application/vnd.docker.image.rootfs.diff.tar.gzip")
                    for layer in layers
                ],
            }
        ).encode()
        digest = _digest(manifest)
        self._manifests |= {f"{name}/{tag}": manifest, f"{name}/{digest}": manifest}
        return digest

    def _blob(self, data: bytes, kind: str) -> dict[str, object]:
        self._blobs[_digest(data)] = data
        return {"mediaType": kind, "size": len(data), "digest": _digest(data)}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                if "Authorization" in self.headers:
                    registry.authorized.append(self.path)
                kind, data = registry._found(self.path)
                self.send_response(200 if data is not None else 404)
                body = data if data is not None else b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                if kind == _MANIFEST:
                    self.send_header("Docker-Content-Digest", _digest(body))
                self.end_headers()
                if self.command == "GET":
                    registry._wait(self.path)
                    with suppress(ConnectionError):  # an engine hangs up on what is too large
                        self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                return

        return Handler

    def withhold(self, name: str, tag: str) -> threading.Event:
        """Hold back an image's last layer until the event that is returned."""
        manifest = json.loads(self._manifests[f"{name}/{tag}"])
        event = self.withheld[manifest["layers"][-1]["digest"]] = threading.Event()
        return event

    def _wait(self, path: str) -> None:
        event = self.withheld.get(path.rpartition("/")[2])
        if event is not None:
            event.wait(_WITHHELD_S)

    def _found(self, path: str) -> tuple[str, bytes | None]:
        if path == "/v2/":
            return "application/json", b"{}"
        name, kind, last = path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "manifests":
            return _MANIFEST, self._manifests.get(f"{name}/{last}")
        return "application/octet-stream", self._blobs.get(last)


def _layer(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("file")
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@contextmanager
def serving() -> Iterator[Registry]:
    """Run a registry for as long as it is needed."""
    registry = Registry()
    thread = threading.Thread(target=registry.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        registry.server.shutdown()
        registry.server.server_close()
        thread.join()
