"""Whether an image leads what is mounted in its container to another place.

An engine follows the links of an image to where it mounts, and makes the directories missing
there: as root, and in the owner's own directories where those are mounted already.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
from collections import deque
from collections.abc import Callable, Iterable

from node3nb.supervisor.containers.engine_api import EngineAPI, EngineGone, EngineRefusal

#: What engines mount of their own.
ENGINES_OWN = (
    "/dev/shm",  # noqa: S108 - in the container
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/proc",
    "/run/.containerenv",
    "/run/secrets",
    "/sys",
)
#: Where an engine tells of a file in a container, as JSON in base 64; Podman also when it is a
#: link that leads nowhere (docs.docker.com, Engine API, "Get information about files").
_STATUS = "X-Docker-Container-Path-Stat"
#: The bit of a link in the mode told there (pkg.go.dev/io/fs, FileMode).
_LINK = 1 << 27
#: What was found sound, as an image does not change: the latest, since strangers choose images.
_sound: deque[tuple[str, str, tuple[str, ...]]] = deque(maxlen=256)


class Misleading(EngineRefusal):
    """The image has a link where something is mounted; the text says where."""


def check(
    api: EngineAPI,
    image: str,
    targets: tuple[str, ...],
    *,
    name: str,
    labels: dict[str, str],
    remove: Callable[[EngineAPI, str], None],
) -> None:
    """Refuse an image in which a path to a mount has a link.

    That is seen in a container that shows nothing of the owner's and is never started: to look
    into one, too, an engine mounts what it shows.

    Parameters
    ----------
    api
        The engine.
    image
        Id of the image.
    targets
        Where mounts are made, the image's volumes included.
    name, labels
        Of that container.
    remove
        Removes it.

    Raises
    ------
    Misleading
        One has.
    EngineRefusal, EngineGone
        The engine did not tell.
    """
    key = (api.path, image, targets)
    if key in _sound:
        return
    memory = {"NetworkMode": "none", "Tmpfs": dict.fromkeys(targets, "")}
    body = {"Image": image, "Cmd": ["true"], "Labels": labels, "HostConfig": memory}
    api.call("POST", "/containers/create", body, name=name)
    try:
        _look(api, name, targets)
    finally:
        # It never runs and bears our labels: the provider's end, or the next sweep, removes it.
        with contextlib.suppress(EngineRefusal, EngineGone):
            remove(api, name)
    _sound.append(key)


def _look(api: EngineAPI, container: str, targets: tuple[str, ...]) -> None:
    for path in _with_parents((*ENGINES_OWN, *targets)):
        told = api.head(f"/containers/{container}/archive", path=path)[_STATUS]
        if told and json.loads(base64.b64decode(told))["mode"] & _LINK:
            raise Misleading(0, f"The image has a link at {path}, where mounts are made.")


def _with_parents(paths: Iterable[str]) -> list[str]:
    """Return the paths and all above them, each once, those above first."""
    parts = (path.strip("/").split("/") for path in paths)
    found = (path for each in parts for path in itertools.accumulate(each, "{}/{}".format))
    return list(dict.fromkeys(f"/{path}" for path in found))
