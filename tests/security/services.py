"""Services of the host that attacks try to reach, and what they have heard."""

from __future__ import annotations

import os
import selectors
import socket
import threading
from pathlib import Path

#: Seconds between two looks at whether to stop.
TURN_S = 0.05
#: Kept of what the services hear, in bytes.
HEARD_BYTES = 1 << 16


class Services:
    """Sockets of every kind, listening in a thread of this process until it is left."""

    def __init__(self, place: Path, abstract: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        self._heard = bytearray()
        self._sockets: list[socket.socket] = []
        self.tcp = self._listen(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
        self.udp = self._receive(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
        self.unix, self.datagram = str(place / "engine.sock"), str(place / "log.sock")
        self.abstract = abstract
        self._listen(socket.AF_UNIX, self.unix)
        self._listen(socket.AF_UNIX, "\0" + abstract)
        self._receive(socket.AF_UNIX, self.datagram)
        for path in (self.unix, self.datagram):
            os.chmod(path, 0o777)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def heard(self) -> bytes:
        """Return what has arrived so far, on whichever socket."""
        return bytes(self._heard)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        for sock in self._sockets:
            sock.close()
        self._selector.close()

    def _listen(self, family: int, address: object) -> socket.socket:
        listener = self._bind(family, socket.SOCK_STREAM, address)
        listener.listen()
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        return listener

    def _receive(self, family: int, address: object) -> socket.socket:
        receiver = self._bind(family, socket.SOCK_DGRAM, address)
        self._selector.register(receiver, selectors.EVENT_READ, self._read)
        return receiver

    def _bind(self, family: int, kind: int, address: object) -> socket.socket:
        sock = socket.socket(family, kind)
        self._sockets.append(sock)
        sock.bind(address)  # type: ignore[arg-type]
        return sock

    def _accept(self, listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        self._sockets.append(accepted)
        self._selector.register(accepted, selectors.EVENT_READ, self._read)

    def _read(self, sock: socket.socket) -> None:
        data = sock.recv(4096)
        self._heard = (self._heard + data)[-HEARD_BYTES:]
        if not data and sock.type == socket.SOCK_STREAM:
            self._selector.unregister(sock)

    def _serve(self) -> None:
        while not self._stop.is_set():
            for key, _ in self._selector.select(TURN_S):
                key.data(key.fileobj)
