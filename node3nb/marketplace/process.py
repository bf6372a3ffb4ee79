"""A marketplace as a process of its own, for demos, notebooks and tests."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from node3nb.errors import MarketplaceUnreachable

#: Seconds a marketplace gets to listen.
READY_S = 60.0
#: Seconds it gets to end.
STOP_S = 15.0


@dataclass(frozen=True, slots=True)
class MarketplaceProcess:
    """A marketplace that lives until `stop`, or until this process ends in an orderly way."""

    #: Where it listens.
    url: str
    #: The file with its keys; only its owner can read it.
    keys_file: Path
    #: The process.
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End it and wait until it has; may be called twice."""
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> MarketplaceProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(data_dir: Path, port: int = 0) -> MarketplaceProcess:
    """Start a marketplace on this machine's loopback and return when it listens.

    Parameters
    ----------
    data_dir
        Where it keeps everything; made when it is not there.
    port
        Port to listen on; 0 lets the system choose.

    Raises
    ------
    MarketplaceUnreachable
        It did not start; the message holds what it said.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    told = data_dir / "server.json"
    told.unlink(missing_ok=True)
    with (data_dir / "marketplace.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "node3nb.marketplace", "--port", str(port), "--data", data_dir],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = _await_url(process, told)
    if not url:
        process.kill()
        process.wait()
        said = (data_dir / "marketplace.log").read_text(errors="replace").strip()[-500:]
        raise MarketplaceUnreachable(f"The local marketplace did not start: {said}")
    return MarketplaceProcess(url, data_dir / "keys.json", process)


def _await_url(process: subprocess.Popen[bytes], told: Path) -> str:
    deadline = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, KeyError):
            return str(json.loads(told.read_text())["url"])
        time.sleep(0.02)
    return ""
