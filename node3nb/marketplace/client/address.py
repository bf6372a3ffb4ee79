"""The address of a marketplace: what it may look like, and whether it is this machine's own."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from node3nb.errors import ConfigError
from node3nb.job_checks import printable


def check_url(url: str, *, allow_insecure_http: bool) -> None:
    """Refuse a marketplace's URL that is none, or that would send the key unencrypted.

    Raises
    ------
    ConfigError
        With what to do instead.
    """
    host = host_of(url)
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise ConfigError("Take name and password out of the marketplace's URL; keys have files.")
    if parts.query or parts.fragment:
        raise ConfigError(
            "Take what follows ? or # out of the marketplace's URL; it ends with its path."
        )
    if parts.scheme == "http" and not allow_insecure_http and not is_loopback(host):
        raise ConfigError(
            f"{host} is another machine and http is unencrypted; use https, "
            "or say allow_insecure_http=True (--allow-insecure-http)."
        )


def host_of(url: str) -> str:
    """Return the host that a marketplace's URL names.

    Raises
    ------
    ConfigError
        It is no URL of a server.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url:
        raise ConfigError(f"{_shown(url)} is no marketplace; give a URL like https://host:port.")
    return parts.hostname or ""


def is_loopback(host: str) -> bool:
    """Return whether a host name is this machine's loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(url: str) -> str:
    """Return a URL for a message, without what may be a password in it."""
    return printable(url.rpartition("@")[2], 120)
