"""The container engine that one provider of a run has: killed, frozen, robbed of containers."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

from support.engines import EngineProcess

from node3nb.supervisor.containers.engine_api import EngineRefusal

#: Seconds between two looks for a container.
LOOK_S = 0.05
#: Seconds in which those are removed that a provider has left.
REMOVED_S = 60.0
#: Networks that every engine has.
BUILT_IN = {"bridge", "host", "none"}


class Engine:
    """A real engine with nothing but what its provider has made.

    Parameters
    ----------
    process
        It, running.
    """

    def __init__(self, process: EngineProcess) -> None:
        self._process = process
        #: Environment by which a provider finds it.
        self.env = {"DOCKER_HOST": process.hints.docker_host}

    def kill(self) -> None:
        """End it as a crash does; its containers go on."""
        self._process.kill()

    def start(self) -> None:
        """Start it after it has ended."""
        self._process.start()

    def freeze(self) -> None:
        """Have it answer nothing."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        os.kill(self._process.pid, signal.SIGCONT)

    def rob(self, draw: float, patience_s: float) -> None:
        """Remove a container that runs, as anybody may who has the engine; wait for one so long."""
        deadline = time.monotonic() + patience_s
        while not (running := self._running()) and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        if running:
            chosen = running[int(draw * len(running))]
            with contextlib.suppress(EngineRefusal):  # its provider removes it at the same time
                self._process.api.call("DELETE", f"/containers/{chosen['Id']}", force=1)

    def _running(self) -> list[dict[str, Any]]:
        return [each for each in self._process.containers() if each["State"] == "running"]

    def complaints(self) -> Iterator[str]:
        """Yield what providers that have stopped have left in it."""
        deadline = time.monotonic() + REMOVED_S
        while (left := self._process.containers()) and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        yield from (f"left container: {each['Names']} {each['State']}" for each in left)
        volumes = self._process.api.call("GET", "/volumes")["Volumes"] or ()
        yield from (f"left volume: {each['Name']}" for each in volumes)
        networks = {each["Name"] for each in self._process.api.call("GET", "/networks")}
        yield from (f"left network: {name}" for name in networks - BUILT_IN)
