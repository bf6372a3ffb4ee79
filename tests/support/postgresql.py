"""A real PostgreSQL for tests: an ordinary user's, on a socket in a directory of its own."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from support import needs

#: Seconds it gets to start or to end: far beyond what it takes, on the slowest machine.
START_S = 60
#: Who may be anybody, and who has to show a password.
OWNER, SHOWS_PASSWORD = "owner", "shows_password"
PASSWORD = "correct-horse-battery"
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum_naptime": "1d",
}
_DEBIAN = Path("/usr/lib/postgresql")


class PostgreSQLServer:
    """A server; ends with the test run, however that ends."""

    def __init__(self, room: Path, **settings: str) -> None:
        self._room = room
        self._settings = {**_SETTINGS, **settings, "unix_socket_directories": str(room)}
        self._user = "nobody" if os.geteuid() == 0 else None
        self._names = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None

    def initialise(self) -> None:
        """Make its data directory; a password is asked of one role only."""
        if self._user is not None:
            shutil.chown(self._room, self._user)
        data = self._room / "data"
        initdb = [_program("initdb"), "-D", str(data), "-U", OWNER, "-A", "trust", "--no-sync"]
        subprocess.run(
            [*self._as_ordinary_user(), *initdb, "--encoding=UTF8", "--locale=C.UTF-8"],
            check=True,
            timeout=START_S,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
        rules = data / "pg_hba.conf"
        rules.write_text(f"local all {SHOWS_PASSWORD} scram-sha-256\nlocal all all trust\n")

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = (f"-c{name}={value}" for name, value in self._settings.items())
        with (self._room / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._as_ordinary_user("--pdeathsig=QUIT"),
                    *(_program("postgres"), "-D", str(self._room / "data"), *settings),
                ],
                stdout=log,
                stderr=log,
                cwd="/",
            )
        self._await_ready()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT sends clients home first, SIGQUIT is a crash."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(START_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._process = None

    def url(self, database: str, user: str = OWNER) -> str:
        """Return how the marketplace is told of a database."""
        return f"postgresql+psycopg://{user}@/{database}?host={self._room}"

    def fresh(self) -> str:
        """Make an empty database and return its URL."""
        name = f"market_{next(self._names)}"
        self.do(f"CREATE DATABASE {name}")
        return self.url(name)

    def do(self, statement: str) -> None:
        """Do something as its owner."""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    @property
    def _dsn(self) -> str:
        return f"host={self._room} user={OWNER} dbname=postgres"

    def _await_ready(self) -> None:
        assert self._process is not None
        for _ in range(START_S * 20):
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self._dsn).close()
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
                break
        raise AssertionError((self._room / "log").read_text()[-2000:])

    def _as_ordinary_user(self, *options: str) -> list[str]:
        """Return what a command begins with: PostgreSQL refuses to be root's."""
        group = pwd.getpwnam(self._user).pw_gid if self._user else 0
        other = ("--reuid", self._user, "--regid", str(group), "--clear-groups")
        return [needs.program("setpriv"), *options, *(other if self._user else ())]


@contextlib.contextmanager
def running(**settings: str) -> Iterator[PostgreSQLServer]:
    """A server with nothing in it."""
    _program("postgres")
    room = Path(tempfile.mkdtemp(prefix="n3p-", dir="/tmp"))
    server = PostgreSQLServer(room, **settings)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(room)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    """The server of the whole run; what it holds is not synced."""
    with running() as server:
        yield server


def _program(name: str) -> str:
    """Return a program of PostgreSQL; Debian keeps the server's out of the PATH."""
    found: Sequence[Path] = sorted(_DEBIAN.glob(f"*/bin/{name}"))
    return str(found[-1]) if found else needs.program(name)
