"""A child that does something, tells how it went, and stays until it is needed no more."""

from __future__ import annotations

import contextlib
import marshal
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from node3nb.supervisor.frames import FrameReader, encode

#: Bytes of the longest message of a child: one page, which a pipe takes whole (pipe(7)).
MESSAGE_BYTES = 4096
#: Above every descriptor a supervisor ever has: it starts with few and needs few a job.
DESCRIPTORS_END = 1 << 16
#: What a child says first when it could not do what it should.
FAILED = "failed"


def tell(pipe: int, *message: str | int) -> None:
    """Write one message of plain data into a pipe, whole or not at all."""
    with contextlib.suppress(OSError):
        os.write(pipe, marshal.dumps(message))


def hear(pipe: int) -> tuple[object, ...]:
    """Return the next message in a pipe, which must be alone there; empty at its end."""
    data = os.read(pipe, MESSAGE_BYTES)
    return tuple(marshal.loads(data)) if data else ()  # noqa: S302 - written by our own child


def send(pipe: int, message: dict[str, Any]) -> None:
    """Write one message of any size into a pipe that somebody reads."""
    data = memoryview(encode(message))
    while data:
        data = data[os.write(pipe, data) :]


def receive(pipe: int) -> dict[str, Any] | None:
    """Return the next message of `send`, or None at the pipe's end; waits for it."""
    reader = FrameReader()
    while data := os.read(pipe, 1 << 16):
        for frame in reader.feed(data):
            return frame
    return None


def keep_only(*fds: int) -> None:
    """Close every descriptor but the standard ones and these."""
    start = 3
    for fd in sorted(fds):
        os.closerange(start, fd)
        start = fd + 1
    os.closerange(start, DESCRIPTORS_END)


def told(error: BaseException) -> tuple[int, str]:
    """Return an error as plain data: its errno, or 0, and a few words."""
    if isinstance(error, OSError):
        step = f" ({str(error.filename)[:200]})" if error.filename else ""
        return error.errno or 0, f"{error.strerror}{step}"
    return 0, f"{type(error).__name__}: {error}"[:300]


@contextlib.contextmanager
def in_child(work: Callable[[], None]) -> Iterator[int]:
    """Do the work in a child; gives its process id while it waits for its end.

    Raises
    ------
    OSError
        What the work raised.
    """
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ours)
        _work(work, theirs)
    os.close(theirs)
    try:
        outcome = hear(ours)
        if outcome != ("done",):
            number, words = outcome[1:] if len(outcome) == 3 else (0, "it ended early")
            raise OSError(number, words)
        yield pid
    finally:
        os.close(ours)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _work(work: Callable[[], None], pipe: int) -> NoReturn:
    try:
        work()
        tell(pipe, "done")
        signal.pause()
    except BaseException as error:  # noqa: BLE001 - the parent tells
        tell(pipe, FAILED, *told(error))
    finally:
        os._exit(1)
