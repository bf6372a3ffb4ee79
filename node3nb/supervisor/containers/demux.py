"""The stream of an attached container, cut into its standard output and error."""

from __future__ import annotations

import struct
from collections.abc import Iterator

#: Kind, padding, length of what follows (docs.docker.com, Engine API, attach).
_HEAD = struct.Struct(">BxxxI")
#: Numbers of the streams; 0 is standard input, which is not sent back.
STDOUT, STDERR = 1, 2


class Demux:
    """Takes the stream's bytes in any pieces."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._kind = self._left = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the number of a stream and what is on it; nothing is held back but heads."""
        position = 0
        while position < len(data):
            if not self._left:
                wanted = _HEAD.size - len(self._head)
                self._head += data[position : position + wanted]
                position += wanted
                if len(self._head) == _HEAD.size:
                    self._kind, self._left = _HEAD.unpack(self._head)
                    self._head.clear()
                continue
            piece = data[position : position + self._left]
            position += len(piece)
            self._left -= len(piece)
            yield self._kind, piece
