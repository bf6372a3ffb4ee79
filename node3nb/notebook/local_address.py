"""Whether anything listens at an address of this machine."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

#: Hosts that mean this machine.
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
#: Seconds that this machine gets to take a connection to itself.
CONNECT_S = 2.0
#: The first port that a process without rights may listen on.
_FIRST_FREE = 1024


def is_here(url: str) -> bool:
    """Whether a URL means this machine by its loopback."""
    return urlsplit(url).hostname in LOOPBACK


def is_silent(url: str) -> bool:
    """Whether a URL means this machine, and nobody listens there."""
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK:
        return False
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname, port), CONNECT_S):
            return False
    except OSError:
        return True


def silent_port(url: str) -> int:
    """Return the port of a silent URL that a marketplace of ours could listen at; 0 for none."""
    parts = urlsplit(url)
    ours = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost"}
    if not ours or not parts.port or parts.port < _FIRST_FREE:
        return 0
    return parts.port if is_silent(url) else 0
