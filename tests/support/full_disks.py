"""A job on a disk that is full while the job writes, and has room again when it ends."""

from __future__ import annotations

from collections.abc import Callable

from support.native_jobs import Bench, Started, wait_until

from node3nb.jobs import JobResult

#: Does not look whether what it writes is taken, and goes on.
CARELESS = """
import contextlib, os, time
def wait_for(name):
    while not os.path.exists(os.environ["INPUT_DIR"] + "/" + name):
        time.sleep(0.01)
wait_for("full")
with contextlib.suppress(OSError):
    open(os.environ["OUTPUT_DIR"] + "/part", "w").write("x" * 5000)
open(os.environ["OUTPUT_DIR"] + "/written", "w").close()
wait_for("free")
"""


def full_for_a_while(
    jobs: Bench, fill: Callable[[], None], free: Callable[[], None], *, running: bool
) -> JobResult:
    """Run it, with a disk that fills while it runs or has filled before, and return its end."""
    if not running:
        fill()
    with jobs.started("python", "-c", CARELESS) as job:
        if running:
            _await_looks(job)
            fill()
            _await_looks(job)
        (job.workspace.input / "full").touch()
        wait_until((job.workspace.output / "written").exists)
        free()
        (job.workspace.input / "free").touch()
        return job.result()


def _await_looks(job: Started) -> None:
    """Wait for two reports of what it uses: the disk is looked at no less often."""
    told = len(job.listener.usages)
    wait_until(lambda: len(job.listener.usages) > told + 1)
