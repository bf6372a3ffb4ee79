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
from typing import Any, Protocol

from node3nb.errors import NotRunning, Node3Error
from node3nb.agent.records import Snapshot

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

    async def __aenter__(self) -> ControlServer:
        if hasattr(socket, "AF_UNIX"):
            self._path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(
                self._serve, self._path, limit=MAX_REQUEST_BYTES
            )
            self._path.chmod(0o600)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.TimeoutError):
            line = await asyncio.wait_for(reader.readline(), ANSWER_S)
            answer = self._obey(line.decode("utf-8", "replace").strip())
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

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


def ask(path: Path, command: str) -> dict[str, Any]:
    """Send one command to the provider at a socket and return the snapshot it answers.

    Raises
    ------
    NotRunning
        No provider answers there.
    Node3Error
        The provider refuses, in its words.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(os.fspath(path))
            connection.sendall(command.encode() + b"\n")
            with connection.makefile("rb") as reader:
                answer = json.loads(reader.readline())
    except (OSError, ValueError, AttributeError):
        raise NotRunning from None
    if not isinstance(answer, dict) or "error" in answer:
        raise Node3Error(str(answer["error"]) if isinstance(answer, dict) else None)
    return answer


def sockets(directory: Path) -> dict[int, Path]:
    """Return the control sockets of living providers, by process id; dead ones are removed."""
    found = {}
    for path in directory.glob("*.sock"):
        try:
            ask(path, "status")
        except NotRunning:
            path.unlink(missing_ok=True)
        else:
            found[int(path.stem)] = path
    return found
