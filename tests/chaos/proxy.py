"""A line between one caller and the marketplace that breaks when told to."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from chaos.schedule import Fault

#: Bytes read at once.
PIECE_BYTES = 1 << 16
#: Seconds that every piece takes on a slow line.
SLOW_S = 0.2
#: Bytes after which a connection is reset, at the most.
RESET_BYTES = 3000
#: SO_LINGER of a connection that is to be reset instead of closed (socket(7)).
_RESET = struct.pack("ii", 1, 0)


class Lines:
    """The loop on which lines are served, on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lines", daemon=True)
        self._thread.start()

    def do(self, step: Coroutine[Any, Any, Any]) -> Any:
        """Do a step on the loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(step, self._loop).result(60)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Line:
    """A port of the loopback that leads to the marketplace, wherever that listens now.

    Parameters
    ----------
    lines
        Where it is served.
    target
        Returns the port of the marketplace.
    seed
        For what it draws.
    """

    def __init__(self, lines: Lines, target: Callable[[], int], seed: int) -> None:
        self._lines = lines
        self._target = target
        self._dice = random.Random(seed)
        self._fault: Fault | None = None
        self._mended = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        lines.do(self._listen())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def break_by(self, fault: Fault) -> None:
        """Have a fault of the network until it is mended."""
        self._lines.do(self._break(fault))

    def mend(self) -> None:
        """Be a good line again."""
        self._lines.do(self._mend())

    def close(self) -> None:
        self._lines.do(self._close())

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _break(self, fault: Fault) -> None:
        self._fault = fault
        self._mended.clear()
        if fault is Fault.REFUSED:
            await self._close()

    async def _mend(self) -> None:
        was, self._fault = self._fault, None
        self._mended.set()
        if was is Fault.REFUSED:
            await self._listen()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        connections = [*self._connections]
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writers = [writer]
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target())
            writers.append(far_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, far_writer))
                both.create_task(self._pass(far_reader, writer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            for each in writers:
                _reset(each)
        finally:
            self._connections.discard(task)
            for each in writers:
                each.close()
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await each.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lost = False
        left = self._dice.randrange(RESET_BYTES)
        while piece := await reader.read(PIECE_BYTES):
            lost = lost or self._fault is Fault.HALF_OPEN
            if lost:
                continue
            if self._fault is Fault.RESET and len(piece) >= left:
                writer.write(piece[:left])
                await writer.drain()
                raise ConnectionResetError
            left -= len(piece) if self._fault is Fault.RESET else 0
            await self._hold_back()
            writer.write(piece)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _hold_back(self) -> None:
        if self._fault is Fault.STALLED:
            await self._mended.wait()
        elif self._fault is Fault.SLOW:
            await asyncio.sleep(SLOW_S)


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
