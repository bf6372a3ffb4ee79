"""DockerManager: the container engine of this machine, as far as this version uses it."""

from __future__ import annotations

from node3nb import config
from node3nb.errors import ExecutorError
from node3nb.executor import Availability, Reporter
from node3nb.files.workspace import Workspace
from node3nb.jobs import JobResult, JobSpec

#: Seconds an engine gets to answer.
PING_S = 2


class DockerManager:
    """Looks for a container engine; no job runs in one yet, and `available` says so."""

    name = "container"

    def available(self) -> Availability:
        """Return that no job runs in a container here, and what was found."""
        version = _engine_version()
        found = f"Docker {version} answers, but" if version else "no container engine answers, and"
        reason = f"{found} this version of node3nb runs jobs natively only."
        return Availability(self.name, available=False, reason=reason)

    def run(self, spec: JobSpec, workspace: Workspace, reporter: Reporter) -> JobResult:
        """Refuse the job.

        Raises
        ------
        ExecutorError
            Always.
        """
        del spec, workspace, reporter
        raise ExecutorError(self.available().reason)

    def cancel(self, job_id: str) -> None:
        """Do nothing: there is no job to end."""

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def _engine_version() -> str:
    """Return the version of the engine that answers; empty for none.

    The engine's library is loaded here: it takes longer than the start of a job, and is needed
    only where there is somebody to talk to.
    """
    if not config.engine_may_be_there():
        return ""
    import docker  # noqa: PLC0415
    from docker.errors import DockerException  # noqa: PLC0415
    from requests import RequestException  # noqa: PLC0415

    try:
        client = docker.from_env(timeout=PING_S)
        try:
            return str(client.version().get("Version", ""))
        finally:
            client.close()
    except (DockerException, RequestException):
        return ""
