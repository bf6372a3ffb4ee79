"""Names of images, read strictly: `[registry/]path[:tag][@digest]`.

The grammar is that of github.com/distribution/reference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from node3nb.errors import JobSpecError
from node3nb.job_checks import printable

#: What a name without a registry means, and where the official images are there.
DOCKER_HUB, LIBRARY = "docker.io", "docker.io/library/"
_ALIASES = {
    "index.docker.io": DOCKER_HUB,
    "registry-1.docker.io": DOCKER_HUB,
    "registry.hub.docker.com": DOCKER_HUB,
}
#: The port of every registry that names none.
_USUAL_PORT = re.compile(r":0*443\Z")
#: Tag of a name without one.
LATEST = "latest"
#: Longest name without tag and digest, in characters.
MOST_CHARS = 255
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:localhost|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
_NAME = re.compile(
    rf"(?:(?P<host>{_HOST})/)?(?P<path>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Reference:
    """One image by its whole name."""

    #: Host of its registry, with the port if it has one.
    registry: str
    #: Its place there.
    path: str
    #: Its tag; empty when only a digest is given.
    tag: str
    #: Its digest; empty when none is given.
    digest: str

    @property
    def name(self) -> str:
        """Registry and path."""
        return f"{self.registry}/{self.path}"

    @property
    def wanted(self) -> str:
        """What is asked for below the name: the digest if there is one."""
        return self.digest or self.tag

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}{'@' if self.digest else ''}{self.digest}"


def parse(text: str) -> Reference:
    """Return the image that a text names.

    Raises
    ------
    JobSpecError
        It is no name of an image.
    """
    found = _NAME.fullmatch(text)
    if not found or len(text.partition("@")[0]) > MOST_CHARS:
        raise JobSpecError(f"image: {printable(text)} is no name of an image.")
    host, path = found["host"] or "", found["path"]
    if host and not _is_host(host):
        if not re.fullmatch(_PART, host):
            raise JobSpecError(f"image: {printable(text)} is no name of an image.")
        host, path = "", f"{host}/{path}"
    registry = _ALIASES.get(host, host) or DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    tag = found["tag"] or ("" if found["digest"] else LATEST)
    return Reference(registry, path, tag, found["digest"] or "")


def host_of_policy(host: str) -> str:
    """Return one spelling for all that reach the same registry; patterns of hosts have it too."""
    plain = _USUAL_PORT.sub("", host.lower())
    return _ALIASES.get(plain, plain)


def _is_host(first: str) -> bool:
    """Whether the first part of a name is a host: it has a dot or a port, or is localhost."""
    return "." in first or ":" in first or first == "localhost"
