"""How fast files go to and from a marketplace, beside plain `requests` in the same minute.

Rounds of both take turns, so that what else the machine does befalls both.  Plain `requests`
sends to, and fetches from, what has the bytes in the end: for the directory a server of the
standard library that writes a file and syncs it, for the bucket the same store by URLs signed
ahead.  It computes no SHA-256; ours does, at both ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support import seaweed

from node3nb.marketplace.artifacts.signing import Signer
from node3nb.marketplace.client import MarketplaceClient
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings
from node3nb.transfers.transfer import Transfer
from node3nb.transfers.url_policy import UrlPolicy

#: Size of the file, in bytes.
SIZE = 128 << 20
ROUNDS = 5
MACHINE = {"wallet_address": "w", "gpu_model": "", "gpu_vendor": "", "gpu_memory": 0}

#: Sends a file, and fetches it into another.
Way = tuple[Callable[[Path], None], Callable[[Path], None]]


def rows() -> list[tuple[str, str]]:
    """Return what was measured: a label and a value each."""
    with tempfile.TemporaryDirectory() as directory:
        room = Path(directory)
        file = room / "file"
        file.write_bytes(os.urandom(SIZE))
        found = []
        with _plain_server(room) as url, _marketplace(room / "a", None) as market:
            plain = (lambda path: _put(url, path), lambda into: _get(url, into))
            found += _compared("directory", _ours(market), plain, file, room)
        with seaweed.running() as store, _environment(store.environment):
            signer = Signer(store.bucket, "plain")
            with _marketplace(room / "b", f"s3://{store.bucket}/ours") as market:
                found += _compared("bucket", _ours(market), _signed(signer, file), file, room)
    return found


def _compared(where: str, ours: Way, plain: Way, file: Path, room: Path) -> list[tuple[str, str]]:
    took: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for who, way in (("ours", ours), ("plain", plain)):
            for step, argument in enumerate((file, room / "came")):
                began = time.perf_counter()
                way[step](argument)
                took.setdefault((who, step), []).append(time.perf_counter() - began)
            (room / "came").unlink()
    return [
        (f"{where}, {what}: of the speed of plain requests", _told(took, step))
        for step, what in enumerate(("upload", "download"))
    ]


def _told(took: dict[tuple[str, int], list[float]], step: int) -> str:
    ratios = [
        plain / ours for plain, ours in zip(took["plain", step], took["ours", step], strict=True)
    ]
    mib_s = SIZE / (1 << 20) / statistics.median(took["ours", step])
    return f"{statistics.median(ratios):.2f} ({mib_s:.0f} MiB/s)"


def _ours(market: tuple[str, str]) -> Way:
    """Send as a provider and fetch as a consumer, each to a finished and checked file."""
    url, key = market
    consumer, transfer = MarketplaceClient(url, key), Transfer(UrlPolicy(url))
    agent_key = requests.post(f"{url}/api/agents/register", json=MACHINE, timeout=60).json()
    headers = {"X-API-Key": agent_key["api_key"]}
    job_id = consumer.submit({"command": ["true"]})
    taken = requests.post(
        f"{url}/api/jobs/{job_id}/accept", json={"wallet_address": "w"}, headers=headers, timeout=60
    )
    taken.raise_for_status()

    def send(path: Path) -> None:
        target = f"{url}/api/jobs/{job_id}/output"
        transfer.send(path, target, headers=headers, cancelled=threading.Event())

    return send, lambda into: consumer.get_output(job_id, into)


def _signed(signer: Signer, file: Path) -> Way:
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    hour = timedelta(hours=1)
    to, back = signer.put("aa/plain", SIZE, sha256, hour), signer.get("aa/plain", hour)
    return lambda path: _put(to, path, signer.headers(sha256)), lambda into: _get(back, into)


def _put(url: str, path: Path, headers: dict[str, str] | None = None) -> None:
    with path.open("rb") as file:
        requests.put(url, data=file, headers=headers, timeout=600).raise_for_status()


def _get(url: str, into: Path) -> None:
    with requests.get(url, stream=True, timeout=600) as answer, into.open("wb") as file:
        answer.raise_for_status()
        for chunk in answer.iter_content(1 << 20):
            file.write(chunk)


@contextlib.contextmanager
def _marketplace(data_dir: Path, artifacts_url: str | None) -> Iterator[tuple[str, str]]:
    with running(Settings(data_dir, artifacts_url=artifacts_url)) as url:
        yield url, json.loads((data_dir / "keys.json").read_text())["consumer"]


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _plain_server(room: Path) -> Iterator[str]:
    """Serve one file in as few lines as do it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_PUT(self) -> None:
            left = int(self.headers["Content-Length"])
            with (room / "served").open("wb") as file:
                while left:
                    left -= file.write(self.rfile.read(min(left, 1 << 20)))
                file.flush()
                os.fsync(file.fileno())
            self._head(0)

        def do_GET(self) -> None:
            self._head(SIZE)
            with (room / "served").open("rb") as file:
                shutil.copyfileobj(file, self.wfile, 1 << 20)

        def _head(self, size: int) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/file"
        server.shutdown()
        thread.join()


if __name__ == "__main__":
    for what, figure in rows():
        print(f"{what:<60} {figure}")
