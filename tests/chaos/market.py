"""The marketplace of a run: a process that is killed, stopped, frozen and started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from support.doomed import doomed
from support.postgresql import PostgreSQLServer

#: Seconds it gets to listen, and to end.
READY_S = END_S = 60.0


class Market:
    """One data directory, one process at a time.

    Parameters
    ----------
    data_dir
        Where it keeps everything.
    server
        A server of PostgreSQL for it; None is SQLite in the data directory.
    """

    def __init__(self, data_dir: Path, server: PostgreSQLServer | None = None) -> None:
        self.data_dir = data_dir
        self._server = server
        #: SQLAlchemy URL of its database.
        self.database = server.fresh() if server else f"sqlite:///{data_dir / 'marketplace.db'}"
        self._port = 0
        self._log = (data_dir.parent / "market.log").open("ab")
        self.process = self._spawn()
        self._await_ready()

    @property
    def keys(self) -> dict[str, str]:
        return dict(json.loads((self.data_dir / "keys.json").read_text()))

    def port(self) -> int:
        """Return the port it listens on, or has listened on last."""
        return self._port

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def crash_database(self) -> None:
        """End the database with all its connections, as a crash does."""
        assert self._server is not None
        self._server.stop(signal.SIGQUIT)

    def start_database(self) -> None:
        assert self._server is not None
        self._server.start()

    def stop(self) -> None:
        """Stop it in order.

        Raises
        ------
        subprocess.TimeoutExpired
            It does not end.
        """
        self.process.terminate()
        self.process.wait(END_S)

    def close(self) -> None:
        """Stop it in order, and its database."""
        self.stop()
        self._log.close()
        if self._server is not None:
            self._server.stop()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def start(self) -> None:
        """Start it after it has ended."""
        self.process = self._spawn()
        self._await_ready()

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "node3nb.marketplace", "--port", "0"]
        place = ["--data", str(self.data_dir), "--db", self.database]
        return subprocess.Popen(
            doomed([*command, *place]),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_S
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, KeyError):
                told = json.loads((self.data_dir / "server.json").read_text())
                if told["pid"] == self.process.pid:
                    self._port = urlsplit(told["url"]).port or 0
                    return
            time.sleep(0.02)
        raise AssertionError(f"the marketplace does not start: {self._said()}")

    def _said(self) -> str:
        return Path(os.fspath(self._log.name)).read_text(errors="replace")[-2000:]
