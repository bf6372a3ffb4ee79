"""What a provider costs its owner, and how fast it is from end to end."""

from __future__ import annotations

import datetime as dt
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node3nb.marketplace import process
from node3nb.marketplace.client.client import MarketplaceClient

#: Trivial jobs sent through marketplace and provider, and how often.
JOBS, TURNS = 300, 3
#: Jobs a provider runs at once.
SLOTS = (2, 4, 8)
#: Seconds an idle provider is watched.
IDLE_S = 20.0

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


def jobs_a_second(slots: int) -> float:
    """Return trivial jobs a second, from the first result of a full queue to the last."""
    with marketplace() as (url, client):
        ids = [client.submit({"command": ["python", "-c", "pass"]}) for _ in range(JOBS)]
        provide = [sys.executable, "-m", "node3nb", "provide", "--marketplace", url]
        subprocess.run(
            [*provide, "--slots", str(slots), "--once", str(JOBS)],
            stderr=subprocess.DEVNULL,
            check=True,
        )
        views = [client.job(job_id) for job_id in ids]
    assert all(view.status == "completed" for view in views)
    assert all(view.output_data["isolation"] != "limits" for view in views)
    ended = sorted(dt.datetime.fromisoformat(str(view.finished_at)) for view in views)
    return (JOBS - 1) / (ended[-1] - ended[0]).total_seconds()


def bare_a_second() -> float:
    """Return how often a second `python -c pass` runs, on two threads and without us."""

    def run() -> None:
        for _ in range(JOBS // 2):
            subprocess.run([sys.executable, "-c", "pass"], check=True)

    threads = [threading.Thread(target=run) for _ in range(2)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return JOBS / (time.perf_counter() - began)


def rates() -> list[tuple[str, str]]:
    """Measure ourselves and the bare loop in turns, so that both meet the same noise."""
    bare, ours = [], {slots: [] for slots in SLOTS}
    for _ in range(TURNS):
        bare.append(bare_a_second())
        for slots in SLOTS:
            ours[slots].append(jobs_a_second(slots))
    loop = statistics.median(bare)
    rows = [("bare python -c pass, two threads", f"{loop:.1f} /s")]
    for slots in SLOTS:
        rate = statistics.median(ours[slots])
        figure = f"{rate:.1f} /s  {rate / loop:.2f} x bare"
        rows.append((f"end-to-end jobs/s, sandboxed, {slots} slots", figure))
    return rows


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
        *rates(),
        ("idle provider, share of a core", f"{share:.2%}"),
        ("memory added to the kernel", f"{added / 2**20:.1f} MiB"),
    ]


if __name__ == "__main__":
    for what, figure in rows():
        print(f"{what:<50} {figure}")
