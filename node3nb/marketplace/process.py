"""A marketplace as a process of its own, for demos, notebooks and tests."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from node3nb.errors import ConfigError, MarketplaceUnreachable
from node3nb.marketplace import directory_lock

#: What the extra `marketplace` brings.
EXTRA = ("alembic", "fastapi", "sqlalchemy", "uvicorn")
#: File by whose lock one start at a time is held until its marketplace ends.
LOCK = "lock"
#: Seconds a marketplace gets to listen.
READY_S = 60.0
#: Seconds it gets to end.
STOP_S = 15.0


@dataclass(frozen=True, slots=True)
class MarketplaceProcess:
    """A marketplace that lives until `stop`, or until this process ends, however it ends."""

    #: Where it listens.
    url: str
    #: The file with its keys; only its owner can read it.
    keys_file: Path
    #: The process.
    process: subprocess.Popen[bytes]

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def stop(self) -> None:
        """End it and wait until it has; may be called twice."""
        self.process.terminate()
        _close(self.process.stdin)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
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
    ConfigError
        The directory can't be made, another marketplace started so keeps its things there, or
        the packages of the extra `marketplace` are not installed.
    MarketplaceUnreachable
        It did not start; the message holds what it said.
    """
    _check_extra()
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        told = f"The directory {data_dir} can't be made ({error.strerror}); name another."
        raise ConfigError(told) from error
    with directory_lock.held(data_dir, LOCK) as lock:
        server_file = data_dir / directory_lock.SERVER_FILE
        server_file.unlink(missing_ok=True)
        process = _spawn(data_dir, port, lock)
    url = _await_url(process, server_file)
    if not url:
        process.kill()
        _close(process.stdin)
        process.wait()
        raise MarketplaceUnreachable(f"The local marketplace did not start: {_said(data_dir)}")
    return MarketplaceProcess(url, data_dir / "keys.json", process)


def _check_extra() -> None:
    missing = [name for name in EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"A marketplace needs {missing[0]}; run: pip install 'node3nb[marketplace]'"
        )


def _said(data_dir: Path) -> str:
    """Return the last line a marketplace has written, and what to look at if there is none."""
    lines = (data_dir / "marketplace.log").read_text(errors="replace").strip()[-500:].splitlines()
    return lines[-1] if lines else f"it said nothing; see that the disk of {data_dir} has room."


def end_with_stdin() -> None:
    """End this process in order when its standard input does: its parent is gone then."""
    threading.Thread(target=_await_end_of_stdin, name="node3nb-parent", daemon=True).start()


def _await_end_of_stdin() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_S)
    os._exit(1)


def _spawn(data_dir: Path, port: int, lock: int | None) -> subprocess.Popen[bytes]:
    module = [sys.executable, "-P", "-m", "node3nb.marketplace"]
    with (data_dir / "marketplace.log").open("wb") as log:
        process = subprocess.Popen(
            [*module, "--port", str(port), "--data", data_dir, "--with-parent"],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=[] if lock is None else [lock],
            start_new_session=True,
        )
    _close_in_forks(process.stdin)
    return process


def _await_url(process: subprocess.Popen[bytes], server_file: Path) -> str:
    deadline = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < deadline:
        url = directory_lock.listening_at(server_file)
        if url:
            return url
        time.sleep(0.02)
    return ""


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        stream.close()


def _close_in_forks(stream: IO[bytes] | None) -> None:
    """Keep processes forked by the owner's cells from holding the marketplace's input open."""
    if stream is None or not hasattr(os, "register_at_fork"):
        return
    held = weakref.ref(stream)
    os.register_at_fork(after_in_child=lambda: _close(held()))
