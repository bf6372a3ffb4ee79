"""The engine that `DOCKER_HOST` names; whoever sets it wants that one and no other."""

from __future__ import annotations

from collections.abc import Iterator

from node3nb.config import EngineHints
from node3nb.containers.sources.candidate import Candidate, from_url

NAME = "DOCKER_HOST"


def candidates(hints: EngineHints) -> Iterator[Candidate]:
    """Yield it, if the variable is set."""
    if hints.docker_host:
        yield from_url(NAME, hints.docker_host, binding=True)
