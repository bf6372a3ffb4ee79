"""A compute provider that lives in a Jupyter notebook.

Names are loaded when they are first used: the supervisor and the command line start in a few
milliseconds because of that.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from node3nb.agent.settings import Settings
    from node3nb.containers.policy import ContainerPolicy
    from node3nb.docker_manager import DockerManager
    from node3nb.errors import Node3Error
    from node3nb.job_manager import JobManager
    from node3nb.jobs import JobResult, JobSpec, Requirements, ResourceLimits
    from node3nb.native_executor import NativeExecutor
    from node3nb.provider import Provider

__version__ = "0.1.0"

__all__ = [
    "ContainerPolicy",
    "DockerManager",
    "JobManager",
    "JobResult",
    "JobSpec",
    "NativeExecutor",
    "Node3Error",
    "Provider",
    "Requirements",
    "ResourceLimits",
    "Settings",
    "load_ipython_extension",
    "unload_ipython_extension",
]

_HOMES = {
    "ContainerPolicy": "node3nb.containers.policy",
    "DockerManager": "node3nb.docker_manager",
    "JobManager": "node3nb.job_manager",
    "JobResult": "node3nb.jobs",
    "JobSpec": "node3nb.jobs",
    "NativeExecutor": "node3nb.native_executor",
    "Node3Error": "node3nb.errors",
    "Provider": "node3nb.provider",
    "Requirements": "node3nb.jobs",
    "ResourceLimits": "node3nb.jobs",
    "Settings": "node3nb.agent.settings",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def load_ipython_extension(shell: Any) -> None:
    """Add `%node3` and `%%node3` to an IPython shell; what `%load_ext node3nb` calls."""
    importlib.import_module("node3nb.notebook.magics").load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take them away again and stop the provider; what `%unload_ext node3nb` calls."""
    importlib.import_module("node3nb.notebook.magics").unload(shell)
