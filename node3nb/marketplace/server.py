"""The marketplace as a process: `serve` runs it, `running` runs it beside something else."""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from node3nb.errors import ConfigError
from node3nb.marketplace import directory_lock, durable, process
from node3nb.marketplace import workers as multiple
from node3nb.marketplace.app import create_app
from node3nb.marketplace.clock import Clock
from node3nb.marketplace.context import Marketplace
from node3nb.marketplace.database import database
from node3nb.marketplace.database.backend import SharedBackend
from node3nb.marketplace.keys import KEYS_FILE
from node3nb.marketplace.manners import notes
from node3nb.marketplace.manners.slow_heads import BoundedProtocol
from node3nb.marketplace.settings import Settings

#: File by whose lock a marketplace is alone in its directory, where its database is for one.
LOCK = "serving"
#: How long an idle connection is kept, in seconds; longer than agents keep theirs.
KEEP_ALIVE_S = 90
#: Largest head of a request, in bytes: what the gate refuses by name has to get through to it.
MAX_HEAD_BYTES = 64 << 10
#: Connections that are open at once at the most.
CONNECTIONS = 10_000
#: Descriptors beyond those of connections: for the database, files and logs.
OTHER_DESCRIPTORS = 2000
#: Connections that may wait to be taken.
BACKLOG = 2048


def serve(settings: Settings) -> None:
    """Run a marketplace until SIGINT or SIGTERM.

    Once it listens, it prints a line, `node3nb marketplace ready on URL`, and one that says where
    its keys are; it keeps `server.json` (`{url, pid}`) in its data directory until it ends.

    Parameters
    ----------
    settings
        How it is run.

    Raises
    ------
    ConfigError
        The address is taken, or the data directory, the database or the bucket can't be used.
        Where the database is for one process, another one has it.
    """
    _prepare_process()
    hosting = settings.hosting
    shared = isinstance(database.backend_of(settings.database_url), SharedBackend)
    if hosting.workers > 1 and not shared:
        raise ConfigError(
            "workers: SQLite is for one process; name a PostgreSQL database with --db, or "
            "leave --workers out."
        )
    with contextlib.ExitStack() as until_end:
        listener = until_end.enter_context(_bound(hosting.host, hosting.port))
        sign = _Sign(_url(listener), settings.data_dir)
        app = create_app(settings)
        if not shared:
            until_end.enter_context(directory_lock.held(settings.data_dir, LOCK))
        database.prepare(settings.database_url)
        notes.configure(hosting.log, hosting.log_level)
        try:
            if hosting.workers > 1:
                multiple.run(listener, settings, hosting.workers, sign.put_up)
            else:
                _run(_Server(app, sign.put_up, sign.take_down), listener)
        finally:
            sign.take_down()


def serve_as_worker(descriptor: int) -> None:
    """Serve on a socket that another process listens on, with the settings it tells."""
    _prepare_process()
    settings = multiple.told()
    notes.configure(settings.hosting.log, settings.hosting.log_level)
    process.end_with_stdin()
    with socket.socket(fileno=descriptor) as listener:
        _run(_Server(create_app(settings), lambda: print("ready", flush=True)), listener)  # noqa: T201 - told to that process


def _prepare_process() -> None:
    """Keep what is written from others on the machine, and have room for all connections.

    Most systems let a process have 1024 descriptors and more if it asks for them.
    """
    os.umask(0o077)
    if hasattr(os, "fork"):
        import resource  # noqa: PLC0415 - POSIX only

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = CONNECTIONS + OTHER_DESCRIPTORS
        if soft < wanted:
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _run(server: _Server, listener: socket.socket) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        server.run([listener])


@contextlib.contextmanager
def running(settings: Settings, clock: Clock = time.time) -> Iterator[str]:
    """Run a marketplace on a thread of this process and a free port of the loopback.

    Parameters
    ----------
    settings
        How it is run.
    clock
        What it takes for the time, in seconds since 1970.

    Yields
    ------
    str
        Its URL.
    """
    with _bound("127.0.0.1", 0) as listener:
        ready = threading.Event()
        server = _Server(create_app(settings, clock), ready.set)
        thread = threading.Thread(target=server.run, args=([listener],), name="node3nb-marketplace")
        thread.start()
        try:
            ready.wait()
            yield _url(listener)
        finally:
            server.should_exit = True
            thread.join()


class _Sign:
    """Tells people and programs where a marketplace listens.

    Parameters
    ----------
    url
        Where that is.
    data_dir
        Where it keeps everything.
    """

    def __init__(self, url: str, data_dir: Path) -> None:
        self._url = url
        self._keys_file = data_dir / KEYS_FILE
        self._server_file = data_dir / directory_lock.SERVER_FILE

    def put_up(self) -> None:
        """Write it down and say it."""
        durable.write(
            self._server_file, json.dumps({"url": self._url, "pid": os.getpid()}).encode()
        )
        sys.stdout.write(f"node3nb marketplace ready on {self._url}\n")
        sys.stdout.write(f"To submit jobs to it: --keys {self._keys_file}\n")
        sys.stdout.flush()

    def take_down(self) -> None:
        """Take back what was written."""
        self._server_file.unlink(missing_ok=True)


class _Server(uvicorn.Server):
    """uvicorn that tells when it listens, and sends those who wait home before it stops."""

    def __init__(
        self,
        app: FastAPI,
        started: Callable[[], object],
        stopping: Callable[[], object] = lambda: None,
    ) -> None:
        self._market: Marketplace = app.state.market
        hosting = self._market.settings.hosting
        self._started = started
        self._stopping = stopping
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
                limit_concurrency=CONNECTIONS,
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=math.ceil(hosting.grace_s),
                proxy_headers=bool(hosting.trusted_proxies),
                forwarded_allow_ips=hosting.trusted_proxies,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        self._market.send_home()
        await super().shutdown(sockets)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"The marketplace can't listen on {host} port {port}: {error}; choose another port."
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
