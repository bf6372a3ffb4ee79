"""Standard streams as a Python that has just started makes them.

Follows `create_stdio` of CPython's Python/pylifecycle.c; the encoding and the error handlers are
those of the locale C.UTF-8, which warm programs are asked for in (see `script.wants`).
"""

from __future__ import annotations

import io
import os
import sys

ENCODING = "utf-8"
#: Error handler of each stream in the locale C.UTF-8 (`config_get_stdio_errors`, initconfig.c).
ERRORS = {
    "stdin": "surrogateescape",
    "stdout": "surrogateescape",
    "stderr": "backslashreplace",
}


def renew() -> None:
    """Give this process new `sys.stdin`, `sys.stdout` and `sys.stderr` over its fds 0, 1, 2."""
    for fd, name in enumerate(ERRORS):
        stream = _stream(fd, name)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _stream(fd: int, name: str) -> io.TextIOWrapper | None:
    """Return the text stream over a descriptor, nothing if that is closed."""
    try:
        os.fstat(fd)
    except OSError:
        return None
    mode = "w" if fd else "r"
    raw = io.FileIO(fd, mode, closefd=False)
    interactive = raw.isatty()
    raw.name = f"<{name}>"
    buffer = io.BufferedWriter(raw) if fd else io.BufferedReader(raw)
    stream = io.TextIOWrapper(
        buffer,
        ENCODING,
        ERRORS[name],
        newline="\n",
        line_buffering=interactive or name == "stderr",
    )
    stream.mode = mode  # type: ignore[misc]
    return stream
