"""How fast files go to and from a marketplace, beside plain `requests` in the same minute.

Rounds of all take turns, so that what else the machine does befalls all.  Every server is a
process of its own.  Plain `requests` sends to, and fetches from, what has the bytes in the end:
for the directory a server of the standard library that writes a file and syncs it, for the bucket
the same store by URLs signed ahead.  It computes no SHA-256.  Of ours the marketplace computes one
of an upload, whose sender knows it from packing, and the consumer one of a download; beside it
stands plain `requests` that does the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import requests

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support import seaweed

from node3nb.marketplace.artifacts.signing import Signer
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.transfers.transfer import Transfer
from node3nb.transfers.url_policy import UrlPolicy

#: Size of the file, in bytes.
SIZE = 128 << 20
ROUNDS = 5
#: What is measured.
OURS, PLAIN, HASHING = "ours", "plain requests", "plain requests, hashing"
PLAIN_SERVER = str(Path(__file__).with_name("plain_server.py"))
MACHINE = {"wallet_address": "w", "gpu_model": "", "gpu_vendor": "", "gpu_memory": 0}

#: Sends a file, and fetches it into another.
Way = tuple[Callable[[Path], None], Callable[[Path], None]]


def rows() -> list[tuple[str, str]]:
    """Return what was measured: a label and a value each."""
    with tempfile.TemporaryDirectory() as directory:
        room = Path(directory)
        file = room / "file"
        file.write_bytes(os.urandom(SIZE))
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        return [*_directory_rows(room, file, sha256), *_bucket_rows(room, file, sha256)]


def _directory_rows(room: Path, file: Path, sha256: str) -> list[tuple[str, str]]:
    served = room / "served"
    with (
        _plain_server(served) as plain,
        _plain_server(served, "hash") as hashing,
        _marketplace(room / "a") as market,
    ):
        ways = {
            OURS: _ours(market, sha256),
            PLAIN: (lambda path: _put(plain, path), lambda into: _get(plain, into)),
            HASHING: (lambda path: _put(hashing, path), lambda into: _get(hashing, into, sha256)),
        }
        return _compared("directory", ways, file, room)


def _bucket_rows(room: Path, file: Path, sha256: str) -> list[tuple[str, str]]:
    with seaweed.running() as store, _environment(store.environment):
        plain = _signed(Signer(store.bucket, "plain"), sha256)
        with _marketplace(room / "b", f"--artifacts=s3://{store.bucket}/ours") as market:
            return _compared("bucket", {OURS: _ours(market, sha256), PLAIN: plain}, file, room)


def _compared(where: str, ways: dict[str, Way], file: Path, room: Path) -> list[tuple[str, str]]:
    took: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for who, way in ways.items():
            for step, argument in enumerate((file, room / "came")):
                began = time.perf_counter()
                way[step](argument)
                took.setdefault((who, step), []).append(time.perf_counter() - began)
            (room / "came").unlink()
    return [
        (f"{where}, {what}: of the speed of {who}", _told(took[OURS, step], took[who, step]))
        for step, what in enumerate(("upload", "download"))
        for who in list(ways)[1:]
    ]


def _told(ours: list[float], others: list[float]) -> str:
    ratios = [other / our for other, our in zip(others, ours, strict=True)]
    mib_s = SIZE / (1 << 20) / statistics.median(ours)
    return f"{statistics.median(ratios):.2f} ({mib_s:.0f} MiB/s)"


def _ours(market: tuple[str, str], sha256: str) -> Way:
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
        never = threading.Event()
        transfer.send(path, target, headers=headers, sha256=sha256, cancelled=never)

    return send, lambda into: consumer.get_output(job_id, into)


def _signed(signer: Signer, sha256: str) -> Way:
    hour = timedelta(hours=1)
    to, back = signer.put("aa/plain", SIZE, sha256, hour), signer.get("aa/plain", hour)
    return lambda path: _put(to, path, signer.headers(sha256)), lambda into: _get(back, into)


def _put(url: str, path: Path, headers: dict[str, str] | None = None) -> None:
    with path.open("rb") as file:
        requests.put(url, data=file, headers=headers, timeout=600).raise_for_status()


def _get(url: str, into: Path, sha256: str = "") -> None:
    digest = hashlib.sha256()
    with requests.get(url, stream=True, timeout=600) as answer, into.open("wb") as file:
        answer.raise_for_status()
        for chunk in answer.iter_content(1 << 20):
            file.write(chunk)
            if sha256:
                digest.update(chunk)
    assert not sha256 or digest.hexdigest() == sha256


@contextlib.contextmanager
def _marketplace(data_dir: Path, *options: str) -> Iterator[tuple[str, str]]:
    """Run a marketplace; gives its URL and a consumer's key."""
    host = ["-m", "node3nb", "marketplace", "--port=0", f"--data={data_dir}", *options]
    with _serving(*host) as said:
        yield said.split()[-1], json.loads((data_dir / "keys.json").read_text())["consumer"]


@contextlib.contextmanager
def _plain_server(served: Path, *options: str) -> Iterator[str]:
    """Run a server that keeps one file; gives the file's URL."""
    with _serving(PLAIN_SERVER, str(served), str(SIZE), *options) as port:
        yield f"http://127.0.0.1:{port}/file"


@contextlib.contextmanager
def _serving(*arguments: str) -> Iterator[str]:
    """Run a Python program for a while; gives the first line it prints."""
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    for what, figure in rows():
        print(f"{what:<60} {figure}")
