"""Owns an executor with one job in it, and does to itself what its arguments say.

Arguments: directory of the workspace, mark of the job, seconds the job may run, what to do,
isolation level, program to take for the supervisor; the last two may be empty.
Prints what it has to tell as lines of JSON.
"""

import ctypes
import json
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

from node3nb import JobSpec, NativeExecutor, ResourceLimits, supervisor_client
from node3nb.executor import SilentReporter
from node3nb.files import workspace
from node3nb.jobs import Isolation

PROGRAMS = Path(__file__).parent


class Listener(SilentReporter):
    """Lets the daemon go once the supervisor has looked at it: the first look may be older."""

    looks = 0

    def usage(self, *_: object) -> None:
        self.looks += (place.job / "here").exists()
        if self.looks > 1:
            (place.job / "go").touch()


def tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def sleep() -> None:
    time.sleep(75)


def hold_gil() -> None:
    """Keep every other thread of this process from running, as a bad expression in a cell does."""
    began = time.monotonic()
    while time.monotonic() - began < 6:
        re.match(r"(a+)+b", "a" * 25)
    tell(held_s=time.monotonic() - began)


def fork() -> None:
    """Leave a child that has inherited everything."""
    child = multiprocessing.get_context("fork").Process(target=sleep)
    child.start()
    tell(child=child.pid)
    sleep()


def fork_unseen() -> None:
    """The same by a fork that Python does not hear of."""
    child = ctypes.CDLL(None).fork()
    if not child:
        sleep()
        os._exit(0)
    tell(child=child)
    sleep()


def leave() -> None:
    """End as a program does that has forgotten to close."""
    os._exit(0)


def use_in_fork() -> None:
    """Use the executor in a forked child; the owner's goes on."""
    child = multiprocessing.get_context("fork").Process(target=run_in_child)
    child.start()
    child.join()


def run_in_child() -> None:
    with workspace.temporary(area, "child") as place:
        tell(child_ok=executor.run(JobSpec(("true",)), place, SilentReporter()).ok)
    executor.close()


signal.alarm(110)
area, mark, timeout_s, deed = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), sys.argv[4]
way = "leaves"
if sys.argv[6]:
    # Where orphans can't be adopted a daemon has to be seen once before it leaves its parent.
    way = "leaves_slowly"
    supervisor_client.PROGRAM = Path(sys.argv[6])
executor = NativeExecutor(Isolation(sys.argv[5]) if sys.argv[5] else None)
place = workspace.create(area, "place")
spec = JobSpec(
    ("python", "daemons.py", way, "stay"),
    files={name: (PROGRAMS / name).read_text() for name in ("daemons.py", "bounded.py")},
    environment={"NODE3_TEST_MARK": mark},
    limits=ResourceLimits(timeout_s=timeout_s, grace_s=0.2),
)
place.write_files(spec)
outcome = []
thread = threading.Thread(
    target=lambda: outcome.append(executor.run(spec, place, Listener())), daemon=True
)
thread.start()
while "ready" not in place.read_log("stdout", 1 << 20).decode():
    time.sleep(0.01)
tell(ready=True)
globals()[deed]()
executor.cancel(spec.job_id)
thread.join()
tell(reason=outcome[0].reason, wall_s=outcome[0].wall_s)
executor.close()
