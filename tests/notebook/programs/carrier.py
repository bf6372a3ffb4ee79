"""Carries a value into a job and another out of it, and prints that one: `python carrier.py LEVEL`.

Run by an ordinary user, who owns neither this file nor anything beside it.
"""

import json
import sys

from node3nb.files.workspace import Workspace
from node3nb.jobs import Isolation, JobResult, JobSpec
from node3nb.local_run import run_here
from node3nb.native_executor import NativeExecutor
from node3nb.variables.luggage import PROGRAM, Luggage

luggage = Luggage(("a",), ("b",))
files = {"cell.py": "b = (a, {a: 2})", **luggage.files()}
brought = {}


def take(result: JobResult, place: Workspace) -> JobResult:
    if result.ok:
        brought.update(luggage.unpack(place.output))
    return result


executor = NativeExecutor(Isolation(sys.argv[1]))
ended = run_here(
    JobSpec(command=("python", PROGRAM), files=files),
    [executor],
    opened=lambda place: luggage.pack({"a": 2**70}, place.input),
    ended=take,
)
executor.close()
print(json.dumps([ended.isolation, ended.stderr, ended.message, repr(brought)]))
