"""Messages between the kernel, the supervisor and its keepers: a length, then a marshalled dict.

`marshal` because importing `json` costs 11 ms of start-up; both ends are the same interpreter
and neither is ever a job, so its lack of protection against hostile data does not matter.
"""

from __future__ import annotations

import contextlib
import marshal
import socket
import struct
from collections.abc import Iterator
from typing import Any

Frame = dict[str, Any]

_LENGTH = struct.Struct("!I")
#: Largest message accepted, in bytes: far above any order, far below what would hurt.
MAX_FRAME_BYTES = 16 << 20
_CHUNK = 1 << 16


class FrameError(Exception):
    """The peer sent something that is no frame."""


def encode(frame: Frame) -> bytes:
    """Return the bytes of one message."""
    body = marshal.dumps(frame)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take the next bytes of the stream and yield every message now complete.

        Raises
        ------
        FrameError
            A message claims to be larger than `MAX_FRAME_BYTES`.
        """
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._buffer)
            if size > MAX_FRAME_BYTES:
                raise FrameError(f"a message of {size} bytes")
            end = _LENGTH.size + size
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield marshal.loads(body)  # noqa: S302 - both ends are ours, see above


class Channel:
    """One end of a stream socket that carries messages; never blocks while it reads.

    A message that can't be sent at once waits in a queue of bounded size; when the queue is
    full, messages that may be dropped are.
    """

    #: Bytes that may wait to be sent before droppable messages are dropped.
    BACKLOG_BYTES = 1 << 20

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._reader = FrameReader()
        self._waiting = bytearray()

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._sock.fileno()

    def end(self) -> None:
        """Let the peer see the end of what we send; what it still sends is read."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close this end."""
        self._sock.close()

    def abandon(self) -> None:
        """Forget a descriptor that is ours no more: its number may be another's by now."""
        self._sock.detach()

    @property
    def waiting(self) -> bool:
        """Whether bytes wait until the peer reads."""
        return bool(self._waiting)

    def receive(self) -> list[Frame] | None:
        """Return the messages that have arrived, or None when the peer is gone."""
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return []
        except ConnectionError:
            return None
        return list(self._reader.feed(data)) if data else None

    def send(self, frame: Frame, *, droppable: bool = False) -> None:
        """Send a message, or queue it; a peer that is gone is noticed when reading."""
        if droppable and len(self._waiting) > self.BACKLOG_BYTES:
            return
        self._waiting += encode(frame)
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the peer takes it."""
        try:
            while self._waiting:
                del self._waiting[: self._sock.send(self._waiting)]
        except BlockingIOError:
            return
        except OSError:
            self._waiting.clear()
