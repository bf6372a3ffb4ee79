"""The usual places of engines' sockets: Docker's, rootless Docker's, Podman's."""

from __future__ import annotations

from collections.abc import Iterator

from node3nb.config import EngineHints
from node3nb.containers.sources.candidate import Candidate


def candidates(hints: EngineHints) -> Iterator[Candidate]:
    """Yield each socket that is there."""
    own, run = hints.runtime_dir, hints.root
    places = [
        ("default socket", run / "var/run/docker.sock"),
        *([("rootless Docker", own / "docker.sock")] if own else []),
        ("Docker Desktop", hints.home / ".docker/run/docker.sock"),
        *([("rootless Podman", own / "podman/podman.sock")] if own else []),
        ("Podman", run / "run/podman/podman.sock"),
    ]
    for source, path in places:
        try:
            there = path.exists()
        except OSError:
            there = False
        if there:
            yield Candidate(source, path)
