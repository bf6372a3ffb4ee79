"""Programs that manage virtual machines, asked for what they know as JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

#: Seconds such a program gets to list its machines.
LIST_S = 10.0


def find(name: str, path: str) -> str | None:
    """Return the path of a program, or None."""
    return shutil.which(name, path=path)


def objects(program: str, *arguments: str, timeout_s: float = LIST_S) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects a program prints: one a line, one over several, or a list of them.

    A program that fails or is silent yields nothing.
    """
    try:
        asked = subprocess.run(
            [program, *arguments],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=timeout_s,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return
    if asked.returncode == 0:
        yield from _decoded(asked.stdout)


def _decoded(text: str) -> Iterator[dict[str, Any]]:
    decoder, position = json.JSONDecoder(), 0
    while rest := text[position:].lstrip():
        position = len(text) - len(rest)
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        yield from (each for each in _listed(value) if isinstance(each, dict))


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
