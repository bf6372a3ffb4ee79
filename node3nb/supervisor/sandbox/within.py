"""The first process of a sandbox that bubblewrap has built: `within.py PLACE SETUP ENDS...`.

The package is read through the descriptor PLACE, a way out to the host's files: it is closed, and
this process out of its peers' reach, before there is a job.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, f"/proc/self/fd/{sys.argv[1]}")

from node3nb.supervisor import linux
from node3nb.supervisor.sandbox import init
from node3nb.supervisor.sandbox.children import receive
from node3nb.supervisor.sandbox.inner import Ends, Inner
from node3nb.supervisor.sandbox.setup import WITHIN, Setup


def begin(place: int, described: int, ends: Ends, status: int) -> None:
    """Fork the job's process, and wait for its end."""
    told = receive(described) or {}
    os.close(place)
    os.write(sys.stderr.fileno(), WITHIN)
    linux.hide_from_peers()
    job = os.fork()
    if job:
        init.be(job, status)
    linux.show_to_peers()
    inner = Inner(Setup.from_frame(told["setup"]), ends, parked=False)
    go = inner.await_job()
    inner.execute(go["argv"], go["env"])


if __name__ == "__main__":
    del sys.path[0]
    place, described, *ends, status = map(int, sys.argv[1:])
    begin(place, described, Ends(*ends), status)
