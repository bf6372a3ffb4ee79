"""A place where an engine may answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_UNIX = "unix://"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unix socket that somebody says is an engine's, or why there is none."""

    #: Who says so, for the owner.
    source: str
    #: The socket; None where there is none to try.
    socket: Path | None
    #: Why not, in a clause; empty when there is a socket.
    problem: str = ""
    #: Whether no other engine may be taken in its place.
    binding: bool = False
    #: Whether the engine runs under this machine's own kernel, as far as the source knows.
    same_kernel: bool = True


def from_url(source: str, url: str, *, binding: bool = False) -> Candidate:
    """Return the candidate that a URL names.

    Only unix sockets: a job's directories can't be shown to a container elsewhere.
    """
    if url.startswith(_UNIX):
        return Candidate(source, Path(url.removeprefix(_UNIX)), binding=binding)
    shown = url.partition("://")[0][:20]
    problem = f"names an engine by {shown}://, and jobs need one at a unix:// socket here"
    return Candidate(source, None, problem, binding=binding)
