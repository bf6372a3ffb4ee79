"""Controls from outside the process: a unix socket that only the owner can open.

It answers while the kernel is busy with a cell, as the provider's own thread serves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self

import psutil

from node3nb.agent.records import Snapshot
from node3nb.errors import Node3Error, NotRunning

#: Longest request, in bytes.
MAX_REQUEST_BYTES = 4096
#: Seconds the provider gets to answer.
ANSWER_S = 10.0
#: What may be asked.
COMMANDS = ("status", "pause", "resume", "drain", "stop")


class Controlled(Protocol):
    """What the socket controls."""

    def snapshot(self) -> Snapshot:
        """Return how things are now."""

    def pause(self) -> None:
        """Take no more jobs."""

    def resume(self) -> None:
        """Take jobs again."""

    def drain(self) -> None:
        """Stop after the jobs that run."""

    def stop(self, wait_s: float = ...) -> None:
        """Stop now."""


class ControlServer:
    """Serves one provider's controls for as long as it is entered."""

    def __init__(self, controlled: Controlled, path: Path) -> None:
        self._controlled = controlled
        self._path = path
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        if hasattr(socket, "AF_UNIX"):
            self._path.unlink(missing_ok=True)
            _sweep(self._path.parent)
            self._server = await asyncio.start_unix_server(
                self._open, self._path, limit=MAX_REQUEST_BYTES
            )
            self._path.chmod(0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def _open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client; the task is ours, so that it can be ended with the server."""
        talk = asyncio.create_task(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            async with asyncio.timeout(ANSWER_S):
                answer = self._obey(await _request(reader))
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()

    def _obey(self, command: str) -> dict[str, Any]:
        controls: dict[str, Callable[[], None]] = {
            "status": lambda: None,
            "pause": self._controlled.pause,
            "resume": self._controlled.resume,
            "drain": self._controlled.drain,
            "stop": lambda: self._controlled.stop(0.0),
        }
        if command not in controls:
            return {"error": f"Use one of: {', '.join(COMMANDS)}."}
        try:
            controls[command]()
        except Node3Error as error:
            return {"error": str(error)}
        return self._controlled.snapshot().to_dict()


async def _request(reader: asyncio.StreamReader) -> str:
    """Return the line a client sends; empty for one that is too long."""
    try:
        return (await reader.readline()).decode("utf-8", "replace").strip()
    except ValueError:
        return ""


def ask(path: Path, command: str) -> dict[str, Any]:
    """Send one command to the provider at a socket and return the snapshot it answers.

    Raises
    ------
    NotRunning
        No provider listens there.
    Node3Error
        The provider refuses, in its words, or does not answer in time.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise NotRunning
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_S)
        try:
            connection.connect(os.fspath(path))
        except TimeoutError:
            raise Node3Error(_SILENT) from None
        except OSError:
            raise NotRunning from None
        return _answer(connection, command)


_SILENT = "The provider does not answer now; ask again in a moment."


def _answer(connection: socket.socket, command: str) -> dict[str, Any]:
    try:
        connection.sendall(command.encode() + b"\n")
        with connection.makefile("rb") as reader:
            answer = json.loads(reader.readline())
    except (OSError, ValueError):
        raise Node3Error(_SILENT) from None
    if not isinstance(answer, dict) or "error" in answer:
        raise Node3Error(str(answer["error"]) if isinstance(answer, dict) else None)
    return answer


def sockets(directory: Path) -> dict[int, Path]:
    """Return the control sockets of living providers, by process id; dead ones are removed."""
    return {pid: path for pid, path in _named(directory).items() if _alive(path)}


def _named(directory: Path) -> dict[int, Path]:
    return {int(path.stem): path for path in directory.glob("*.sock") if path.stem.isdecimal()}


def _sweep(directory: Path) -> None:
    """Remove the sockets of providers that were killed.

    Nobody listens yet at one that is just being made, and process ids are another's in another
    container that shares the directory: so both have to tell that it is a dead one's.
    """
    for pid, path in _named(directory).items():
        if not psutil.pid_exists(pid) and _deserted(path):
            path.unlink(missing_ok=True)


def _deserted(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        try:
            connection.connect(os.fspath(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def _alive(path: Path) -> bool:
    """Return whether somebody listens at a socket; one that nobody does is removed."""
    try:
        ask(path, "status")
    except NotRunning:
        path.unlink(missing_ok=True)
        return False
    except Node3Error:
        return True
    return True
