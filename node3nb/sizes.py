"""Sizes and durations as people write and read them."""

from __future__ import annotations

import re

from node3nb.errors import ConfigError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_bytes(text: str) -> int:
    """Return the bytes that `512M`, `1.5G` or `4096` means; a K is 1024.

    Raises
    ------
    ConfigError
        It is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{text!a} is no size; write one like 512M or 2G.")
    return int(float(match[1]) * 1024 ** _POWERS[match[2].lower()])


def parse_seconds(text: str) -> float:
    """Return the seconds that `90`, `5m` or `2h` means.

    Raises
    ------
    ConfigError
        It is no duration.
    """
    match = _SECONDS.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{text!a} is no duration; write one like 90, 5m or 2h.")
    return float(match[1]) * _UNITS_S[match[2].lower()]


def shown_bytes(count: float) -> str:
    """Return a number of bytes as a person reads it."""
    for unit in ("B", "KiB", "MiB"):
        if abs(count) < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} GiB"
