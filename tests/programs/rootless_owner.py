"""An ordinary user's jobs in a rootless engine's containers: `HOST IMAGE AREA`; answers as JSON.

The engine here can't limit memory and is refused for that; what it does with files and users is
looked at all the same, so the check is taken out.
"""

import json
import os
import sys
from pathlib import Path

from node3nb.config import EngineHints
from node3nb.containers import engine
from node3nb.containers.policy import ContainerPolicy
from node3nb.docker_manager import DockerManager
from node3nb.executor import SilentReporter
from node3nb.files import workspace
from node3nb.jobs import MIB, JobSpec, ResourceLimits

host, image, area = sys.argv[1:]
hints = EngineHints(docker_host=host)
refused = DockerManager(hints=hints).available().reason
engine._check_limits = lambda _: None
manager = DockerManager(ContainerPolicy(default_image=image), hints=hints)
code = "import os; print(os.getuid()); os.mkdir('/output/d'); open('/output/d/f', 'w').close()"
spec = JobSpec(("python", "-c", code), limits=ResourceLimits(memory_bytes=256 * MIB))
with workspace.temporary(Path(area), "work") as place:
    result = manager.run(spec, place, SilentReporter())
    owners = [path.stat().st_uid for path in place.output.rglob("*")]
manager.close()
told = {
    "refused": refused,
    "ok": result.ok,
    "message": result.message,
    "stdout": result.stdout,
    "layers": result.layers,
    "owners": owners,
    "user": os.getuid(),
    "left": os.listdir(area),
}
print(json.dumps(told))
