"""Which URLs of a job may be touched; a marketplace's word is not enough for any of them."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from node3nb.errors import Node3Error
from node3nb.job_checks import printable

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_DEFAULT_PORTS = {"http": 80, "https": 443}
_CONFUSING = re.compile(r"[\x00-\x20\x7f\\]")
#: NAT64 gateways carry IPv4 in these addresses (RFC 6052, section 2.1).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: Not routed (IANA IPv4 Special-Purpose Address Registry), and metadata in some clouds; Python
#: takes most of them for public before 3.12.4 (https://github.com/python/cpython/issues/113171).
_PROTOCOLS = ipaddress.IPv4Network("192.0.0.0/24")
#: Looks public, but is the host under every Azure machine (Azure documentation, "168.63.129.16").
_HOST_SERVICES = frozenset({ipaddress.IPv4Address("168.63.129.16")})


class UrlRefused(Node3Error):
    """The URL points to where jobs may not reach; use a public http or https URL."""


class Origin(NamedTuple):
    """What a browser calls the origin: two URLs with equal ones are of one server."""

    #: The scheme, in lower case.
    scheme: str
    #: Name or address of the host, in lower case, IPv6 without brackets.
    host: str
    #: Its port, the scheme's own when the URL names none.
    port: int


class FilePlace(NamedTuple):
    """A file below one of the allowed roots, every link on the way resolved."""

    #: The root, resolved.
    root: Path
    #: Names of the directories below it and of the file, none of them `..`.
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UrlPolicy:
    """What the owner lets jobs reach through us."""

    #: URL of the marketplace, always reachable; None when there is none.
    marketplace_origin: str | None = None
    #: Directories below which `file:` URLs may be read and written; none by default.
    file_roots: tuple[Path, ...] = ()
    #: Whether hosts of the owner's own network may be reached.
    allow_private_hosts: bool = False
    #: Servers of the owner's own network that may be reached all the same: where a marketplace
    #: that the owner trusts keeps its files.
    stores: frozenset[str] = frozenset()

    def check(self, url: str) -> Origin:
        """Return the origin of an http(s) URL that does not itself name a forbidden address.

        A host name passes here; what it resolves to is for `check_address`, on connecting.

        Raises
        ------
        UrlRefused
            The URL is malformed, of another scheme, or names a forbidden address.
        """
        origin = origin_of(url)
        address = _literal(origin.host)
        if address is not None:
            self.check_address(origin, address)
        return origin

    def check_address(self, origin: Origin, address: str | _Address) -> None:
        """Refuse an address that `origin` turned out to have, unless the owner allows it.

        Raises
        ------
        UrlRefused
            The address is not a public one, and neither the marketplace's nor allowed.
        """
        real = _unwrapped(address)
        if _public(real) or self.trusts(origin):
            return
        if real.is_loopback and self._marketplace_is_here():
            return
        raise UrlRefused(
            f"{printable(origin.host)} is on this machine or a private network, where jobs may "
            "not reach; use a public URL, name it in NODE3_STORES if your marketplace keeps its "
            "files there, or allow private hosts if you trust every submitter."
        )

    def trusts(self, origin: Origin) -> bool:
        """Whether the owner has opened private addresses to this origin."""
        known = self._is_marketplace(origin) or origin in map(origin_of, self.stores)
        return self.allow_private_hosts or known

    def is_marketplace(self, url: str) -> bool:
        """Whether the URL is of the marketplace's own origin, so that it may see our key."""
        return self._is_marketplace(origin_of(url))

    def file_place(self, url: str) -> FilePlace:
        """Return where a `file:` URL leads, once every link is resolved.

        Raises
        ------
        UrlRefused
            It does not lead below one of `file_roots`.
        """
        path = Path(os.fsdecode(os.path.realpath(_local_path(url))))
        for root in map(Path, map(os.path.realpath, self.file_roots)):
            if path.is_relative_to(root) and path != root:
                return FilePlace(root, path.relative_to(root).parts)
        raise UrlRefused(
            f"{shown(url)} is not below a directory that the owner opened to jobs; "
            "use an http or https URL, or add its directory to the file roots."
        )

    def _is_marketplace(self, origin: Origin) -> bool:
        return self.marketplace_origin is not None and origin == origin_of(self.marketplace_origin)

    def _marketplace_is_here(self) -> bool:
        if self.marketplace_origin is None:
            return False
        address = _literal(origin_of(self.marketplace_origin).host)
        return address is not None and _unwrapped(address).is_loopback


def origin_of(url: str) -> Origin:
    """Return the origin of an http(s) URL.

    Raises
    ------
    UrlRefused
        It is malformed or of another scheme.
    """
    split = _split(url)
    if split.scheme not in _DEFAULT_PORTS:
        raise UrlRefused(f"{shown(url)} is no http or https URL; use one of these.")
    host, port = split.hostname, split.port
    if not host or "%" in host or port == 0:
        raise UrlRefused(f"{shown(url)} names no host that can be reached; correct the URL.")
    return Origin(split.scheme, host.rstrip("."), port or _DEFAULT_PORTS[split.scheme])


def is_file(url: str) -> bool:
    """Whether the URL is a `file:` URL."""
    return url[:5].lower() == "file:"


def shown(url: str) -> str:
    """Return a rendering for messages: inert, without credentials, query and fragment.

    Keys travel in the user part and, with presigned URLs, in the query.
    """
    plain = re.split(r"[?#]", url, maxsplit=1)[0]
    scheme, separator, rest = plain.partition("//")
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    return printable(f"{scheme}{separator}{host}{slash}{path}" if separator else scheme, 120)


def _split(url: str) -> SplitResult:
    """Split a URL, refusing what two parsers could read in two ways."""
    try:
        split = urlsplit(url)
        malformed = bool(_CONFUSING.search(url)) or split.port == -1
    except ValueError:
        malformed = True
    if malformed:
        raise UrlRefused(f"{shown(url)} is no valid URL; percent-encode its special characters.")
    return split


def _local_path(url: str) -> bytes:
    split = _split(url)
    path = unquote_to_bytes(split.path)
    if split.netloc.lower() not in {"", "localhost"} or not path.startswith(b"/") or b"\0" in path:
        raise UrlRefused(f"{shown(url)} is no local file; write file:///path/to/file.")
    return path


def _literal(host: str) -> _Address | None:
    """Return the address a host is written as, old numeric forms included, else None."""
    if host == "localhost" or host.endswith(".localhost"):
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _unwrapped(address: str | _Address) -> _Address:
    """Return the IPv4 address inside an IPv6 one that only carries it."""
    real = ipaddress.ip_address(address.partition("%")[0]) if isinstance(address, str) else address
    if isinstance(real, ipaddress.IPv6Address):
        if real in _NAT64:
            return ipaddress.IPv4Address(int(real) & 0xFFFFFFFF)
        return real.ipv4_mapped or real.sixtofour or (real.teredo or (None, None))[1] or real
    return real


def _public(address: _Address) -> bool:
    unusable = address.is_multicast or address.is_reserved or address.is_unspecified
    near = address.is_private or address.is_loopback or address.is_link_local
    site = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    special = address in _HOST_SERVICES or address in _PROTOCOLS
    return address.is_global and not (unusable or near or site or special)
