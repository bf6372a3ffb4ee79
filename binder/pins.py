"""The versions that Binder's environment is pinned to, as pip writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

#: What conda builds from.
FILE = Path(__file__).with_name("environment.yml")
#: Names that stand for the interpreter, not for a package of it.
_INTERPRETER = frozenset({"python", "pip"})


def requirements() -> list[str]:
    """Return every pin as a requirement of pip's; on conda-forge they have the same names."""
    pins: list[str] = []
    for entry in _dependencies():
        if isinstance(entry, dict):
            pins.extend(entry["pip"])
        elif entry.partition("=")[0] not in _INTERPRETER:
            pins.append(entry.replace("=", "==", 1))
    return pins


def python() -> str:
    """Return the version of Python, as `3.11`."""
    (pin,) = (each for each in _dependencies() if str(each).startswith("python="))
    return str(pin).partition("=")[2]


def _dependencies() -> list[Any]:
    return list(yaml.safe_load(FILE.read_text(encoding="utf-8"))["dependencies"])
