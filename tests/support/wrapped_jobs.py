"""Runs a few jobs at whatever level there is and prints what became of them: AREA."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from node3nb import NativeExecutor
from node3nb.executor import SilentReporter
from node3nb.files import workspace
from node3nb.jobs import MIB, JobSpec, Network, Requirements, ResourceLimits

LIMITS = ResourceLimits(memory_bytes=256 * MIB, timeout_s=60, grace_s=30)
LOOK = """
import getpass, json, os, socket
def written(path):
    try:
        with open(path + "/made", "w"):
            return True
    except OSError:
        return False
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "cwd": os.getcwd(),
    "user": getpass.getuser(),
    "host": socket.gethostname(),
    "capabilities": [int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")],
    "processes": sum(name.isdigit() for name in os.listdir("/proc")),
    "open": sorted(os.listdir("/proc/self/fd")),
    "interfaces": [name for _, name in socket.if_nameindex()],
    "root": sorted(os.listdir("/")),
    "input": open("/input/data").read(),
    "written": [path for path in (
        "/", "/dev", "/input", "/output", "/job", "/tmp", "/dev/shm", "/usr", "/etc"
    ) if written(path)],
}))
"""
POLITE = """
import os, signal, time
def asked(*_):
    os.write(1, b"asked\\n")
    raise SystemExit(3)
signal.signal(signal.SIGTERM, asked)
print("ready", flush=True)
time.sleep(60)
"""
DAEMON = "import os, time\nif not os.fork():\n os.setsid()\n time.sleep(60)\n"
GREEDY = "taken = []\nwhile True: taken.append(bytearray(b'x' * (1 << 20)))"
SHARED = "import mmap\na = mmap.mmap(-1, 1 << 30)\nfor o in range(0, 1 << 30, 4096): a[o] = 1"
JOBS = {
    "look": JobSpec(("python", "-c", LOOK), limits=LIMITS),
    "streams": JobSpec(("sh", "-c", "echo out; echo err >&2; exit 7"), limits=LIMITS),
    "signal": JobSpec(("sh", "-c", "kill -USR1 $$"), limits=LIMITS),
    "missing-program": JobSpec(("no-such-program",), limits=LIMITS),
    "daemon": JobSpec(("python", "-c", DAEMON), limits=LIMITS),
    "greedy": JobSpec(("python", "-c", GREEDY), limits=LIMITS),
    "shared": JobSpec(("python", "-c", SHARED), limits=LIMITS),
    "network": JobSpec(
        ("python", "-c", "import socket; print(len(socket.if_nameindex()))"),
        limits=LIMITS,
        requirements=Requirements(network=Network.HOST),
    ),
}


def main(area: Path) -> None:
    executor = NativeExecutor()
    told = {
        "isolation": executor.available().isolation,
        "layers": executor.available().layers,
        "missing": executor.missing_layers(),
    }
    if told["isolation"] == "namespaces":
        told |= {name: _run(executor, area, name, spec) for name, spec in JOBS.items()}
        told["polite"] = _cancelled(executor, area)
    executor.close()
    print(json.dumps(told))


def _run(executor: NativeExecutor, area: Path, name: str, spec: JobSpec) -> dict[str, object]:
    with workspace.temporary(area, name) as place:
        (place.input / "data").write_text("given")
        result = asdict(executor.run(spec, place, SilentReporter()))
        return result | {"left": sorted(path.name for path in place.output.iterdir())}


def _cancelled(executor: NativeExecutor, area: Path) -> dict[str, object]:
    spec = JobSpec(("python", "-c", POLITE), limits=LIMITS)
    with workspace.temporary(area, "polite") as place:
        results = []
        thread = threading.Thread(
            target=lambda: results.append(executor.run(spec, place, SilentReporter()))
        )
        thread.start()
        while b"ready" not in place.read_log("stdout", 100) and thread.is_alive():
            time.sleep(0.01)
        executor.cancel(spec.job_id)
        thread.join()
    return asdict(results[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
