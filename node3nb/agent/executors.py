"""What runs a provider's jobs, in the order it is tried."""

from __future__ import annotations

from typing import Literal

from node3nb.agent.settings import Settings
from node3nb.docker_manager import DockerManager
from node3nb.executor import Executor
from node3nb.native_executor import NativeExecutor

#: A container engine, "auto" to look for one, None for native execution only.
Engine = Executor | Literal["auto"] | None


def executors(engine: Engine, native: bool, settings: Settings) -> tuple[Executor, ...]:
    """Return the executors in the order they are tried: a container first."""
    container = DockerManager(settings.containers) if engine == "auto" else engine
    ours = NativeExecutor(settings.isolation, settings.preload) if native else None
    return tuple(executor for executor in (container, ours) if executor is not None)
