"""The engine of the current docker context, as the docker command keeps it in its settings.

`config.json` names the context; `contexts/meta/SHA256(NAME)/meta.json` has its endpoint
(docs.docker.com, docker contexts).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from node3nb.config import EngineHints
from node3nb.containers.sources.candidate import Candidate, from_url

#: The context that means the default socket.
DEFAULT = "default"


def candidates(hints: EngineHints) -> Iterator[Candidate]:
    """Yield its endpoint, if there is a context other than the default."""
    settings = _read(hints.docker_config / "config.json")
    name = str(hints.docker_context or settings.get("currentContext") or DEFAULT)
    if name == DEFAULT:
        return
    source = f"docker context {name[:60]}"
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = _read(hints.docker_config / "contexts" / "meta" / digest / "meta.json")
    endpoints = meta.get("Endpoints")
    docker = endpoints.get("docker") if isinstance(endpoints, dict) else None
    host = docker.get("Host") if isinstance(docker, dict) else None
    if isinstance(host, str) and host:
        yield from_url(source, host)
    else:
        yield Candidate(source, None, "has no endpoint in docker's settings")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
