"""What the tests of the command line share: commands as people give them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from node3nb.cli import main

#: Bound of every command and every wait, in seconds.
BOUND_S = 90.0
NODE3NB = (sys.executable, "-m", "node3nb")


def node3nb(
    *words: object, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Give a command and wait for its end."""
    return subprocess.run(
        [*NODE3NB, *map(str, words)],
        capture_output=True,
        check=False,
        cwd=cwd,
        encoding="utf-8",
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        timeout=BOUND_S,
    )


def answered(*words: object, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Give a command that must succeed and return the one object it prints."""
    ended = node3nb(*words, env=env)
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout))


@contextlib.contextmanager
def begun(*words: object, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Give a command that goes on; it is killed at the end if it still does."""
    with subprocess.Popen(
        [*NODE3NB, *map(str, words)],
        encoding="utf-8",
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def given_here(words: list[str]) -> int:
    """Give a command in this process and return its exit status: quicker, for many mistakes."""
    handled = [signal.SIGTERM, signal.SIGHUP]
    before = [signal.getsignal(number) for number in handled]
    try:
        return main(words)
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        for number, handler in zip(handled, before, strict=True):
            signal.signal(number, handler)


def complaint(ended: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a command that was refused for a fault of ours or the person's."""
    assert ended.returncode == 125, (ended.returncode, ended.stderr)
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("node3nb")
    return line


def eventually(true: Callable[[], Any]) -> Any:
    """Wait until something is so, and return what it is."""
    deadline = time.monotonic() + BOUND_S
    while not (value := true()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value
