"""Engines in Lima's virtual machines, by `limactl list --json`: `name`, `status`, `dir`.

The templates for Docker and Podman forward the engine's socket to `sock/docker.sock` and
`sock/podman.sock` in the instance's directory (github.com/lima-vm/lima, templates).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from node3nb.config import EngineHints
from node3nb.containers.sources import programs
from node3nb.containers.sources.candidate import Candidate

PROGRAM = "limactl"
SOCKETS = ("sock/docker.sock", "sock/podman.sock")
#: Seconds an instance gets to start: it boots a system.
START_S = 600.0
_RUNNING, _STOPPED = "Running", "Stopped"


def candidates(hints: EngineHints) -> Iterator[Candidate]:
    """Yield the engines of running instances, and each stopped one with what to do."""
    for instance in _instances(hints):
        name = str(instance.get("name", ""))[:60]
        source = f"Lima instance {name}"
        if instance.get("status") == _RUNNING:
            yield from _sockets(source, instance)
        elif instance.get("status") == _STOPPED and not name.startswith("colima"):
            problem = f"is stopped; run `limactl start {name}` or allow it with --start-lima"
            yield Candidate(source, None, problem)


def start_stopped(hints: EngineHints) -> bool:
    """Start the first stopped instance, if no instance runs; return whether one was started."""
    instances = list(_instances(hints))
    if any(each.get("status") == _RUNNING for each in instances):
        return False
    stopped = [each for each in instances if each.get("status") == _STOPPED]
    program = programs.find(PROGRAM, hints.program_path)
    if not stopped or program is None:
        return False
    try:
        started = subprocess.run(
            [program, "start", "--tty=false", str(stopped[0].get("name", ""))],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=START_S,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False
    return started.returncode == 0


def _instances(hints: EngineHints) -> Iterator[dict[str, Any]]:
    program = programs.find(PROGRAM, hints.program_path)
    if program is not None:
        yield from programs.objects(program, "list", "--json")


def _sockets(source: str, instance: dict[str, Any]) -> Iterator[Candidate]:
    directory = Path(str(instance.get("dir", "")))
    found = [directory / socket for socket in SOCKETS if os.path.exists(directory / socket)]
    for socket in found:
        yield Candidate(source, socket, same_kernel=False)
    if not found:
        yield Candidate(source, None, "runs, but no engine's socket is forwarded from it")
