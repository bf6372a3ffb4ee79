"""A kernel that runs one job in a container until it is killed: `HOST IMAGE AREA`."""

import sys
from pathlib import Path

from node3nb import DockerManager, JobSpec
from node3nb.config import EngineHints
from node3nb.containers.policy import ContainerPolicy
from node3nb.executor import SilentReporter
from node3nb.files import workspace

host, image, area = sys.argv[1:]
manager = DockerManager(ContainerPolicy(default_image=image), hints=EngineHints(docker_host=host))


class Listener(SilentReporter):
    """Tells when the job runs."""

    def state(self, state: str) -> None:
        print(state, manager._client.pid if manager._client else 0, flush=True)


with workspace.temporary(Path(area), "work") as place:
    manager.run(JobSpec(("sleep", "70")), place, Listener())
