"""The lock by which a marketplace that must be alone in its directory holds it while it lives."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from node3nb.errors import ConfigError

#: File below the directory that tells where the marketplace listens: `{url, pid}`.
SERVER_FILE = "server.json"


@contextlib.contextmanager
def held(data_dir: Path, name: str) -> Iterator[int | None]:
    """Hold a directory by a lock, which ends with the last process that inherits it.

    Parameters
    ----------
    data_dir
        The directory.
    name
        File below it that is locked.

    Yields
    ------
    int or None
        Descriptor of the lock; None where the system has none.

    Raises
    ------
    ConfigError
        Another process holds it.
    """
    if not hasattr(os, "fork"):
        yield None  # no flock(2)
        return
    import fcntl  # noqa: PLC0415 - POSIX only

    lock = os.open(data_dir / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(_occupied(data_dir)) from None
        yield lock
    finally:
        os.close(lock)


def listening_at(server_file: Path) -> str:
    """Return the URL that a marketplace has written down; empty when there is none."""
    try:
        return str(json.loads(server_file.read_text())["url"])
    except (OSError, ValueError, KeyError):
        return ""


def _occupied(data_dir: Path) -> str:
    url = listening_at(data_dir / SERVER_FILE)
    where = f", at {url}" if url else ""
    return (
        f"A marketplace runs in {data_dir} already{where}; use that one with its keys in "
        f"{data_dir / 'keys.json'}, or name another directory."
    )
