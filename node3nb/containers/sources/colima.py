"""Engines of Colima, by `colima list --json` and `colima status --json`.

The first has `name`, `status` and `runtime` of every profile, the second the `docker_socket` of
one (github.com/abiosoft/colima).
"""

from __future__ import annotations

from collections.abc import Iterator

from node3nb.config import EngineHints
from node3nb.containers.sources import programs
from node3nb.containers.sources.candidate import Candidate, from_url

PROGRAM = "colima"


def candidates(hints: EngineHints) -> Iterator[Candidate]:
    """Yield the engine of every running profile with Docker in it."""
    program = programs.find(PROGRAM, hints.program_path)
    if program is None:
        return
    for profile in programs.objects(program, "list", "--json"):
        name = str(profile.get("name", ""))[:60]
        source = f"Colima profile {name}"
        if profile.get("status") != "Running":
            yield Candidate(source, None, f"does not run; run `colima start {name}`")
        elif not str(profile.get("runtime", "")).startswith("docker"):
            yield Candidate(source, None, "has no Docker in it; start it with --runtime docker")
        else:
            yield from _socket(source, program, name)


def _socket(source: str, program: str, name: str) -> Iterator[Candidate]:
    for status in programs.objects(program, "status", "--json", "--profile", name):
        found = from_url(source, str(status.get("docker_socket", "")))
        yield Candidate(source, found.socket, found.problem, same_kernel=False)
