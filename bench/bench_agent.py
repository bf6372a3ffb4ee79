"""What a provider costs its owner, and how fast it is from end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node3nb.marketplace import process
from node3nb.marketplace.client import MarketplaceClient

#: Trivial jobs sent through marketplace and provider.
JOBS = 300
#: Seconds an idle provider is watched.
IDLE_S = 20.0
SLOTS = 3

MEMORY = """
import os, psutil
me = psutil.Process()
import IPython, ipykernel.kernelapp
before = me.memory_info().rss
from node3nb import Provider, Settings
provider = Provider({url!r}, settings=Settings(wait_s=20)).start()
import time; time.sleep(2)
print(me.memory_info().rss - before, flush=True)
start = me.cpu_times(); began = time.monotonic()
children = me.children(recursive=True)
spent = lambda: sum(sum(p.cpu_times()[:2]) for p in [me, *children])
first = spent()
time.sleep({idle_s})
print((spent() - first) / (time.monotonic() - began), flush=True)
provider.stop()
"""


@contextmanager
def marketplace() -> Iterator[tuple[str, MarketplaceClient]]:
    """Run a marketplace; gives its URL and a consumer's client."""
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["NODE3_HOME"] = scratch
        with process.start(Path(scratch, "market")) as market:
            keys = json.loads(market.keys_file.read_text())
            yield market.url, MarketplaceClient(market.url, keys["consumer"])


def jobs_a_second() -> float:
    """Return trivial jobs a second from a full queue to the last result."""
    with marketplace() as (url, client):
        ids = [client.submit({"command": ["true"]}) for _ in range(JOBS)]
        provide = [sys.executable, "-m", "node3nb", "provide", "--marketplace", url]
        provider = subprocess.Popen(
            [*provide, "--slots", str(SLOTS), "--once", str(JOBS)], stderr=subprocess.DEVNULL
        )
        began = None
        while provider.poll() is None:
            if began is None and client.job(ids[0]).final:
                began = time.monotonic()
            time.sleep(0.02 if began is None else 0.2)
        assert began is not None
        ended = time.monotonic()
        assert all(client.job(job_id).status == "completed" for job_id in ids)
    return (JOBS - 1) / (ended - began)


def idle() -> tuple[float, float]:
    """Return bytes added to a kernel's process, and the share of a core used while idle."""
    with marketplace() as (url, _):
        told = subprocess.run(
            [sys.executable, "-c", MEMORY.format(url=url, idle_s=IDLE_S)],
            capture_output=True,
            check=True,
            text=True,
        ).stdout.split()
    return float(told[0]), float(told[1])


def rows() -> list[tuple[str, str]]:
    """Return the rows of the table: what, how much."""
    added, share = idle()
    return [
        ("trivial jobs/s, marketplace + provider", f"{jobs_a_second():.1f}"),
        ("idle provider, share of a core", f"{share:.2%}"),
        ("memory added to the kernel", f"{added / 2**20:.1f} MiB"),
    ]


if __name__ == "__main__":
    for what, figure in rows():
        print(f"{what:<50} {figure}")
