"""What an open dashboard costs its kernel, and how much it sends."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

from bench_agent import marketplace
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

#: Seconds it is watched, and seconds between two signs of life of a page.
WATCHED_S, PING_S = 30.0, 5.0
JOBS = 2

START = """
import json, psutil, threading
from node3nb.notebook.magics import load
load(get_ipython())
from node3nb import Provider, Settings
p = Provider({url!r}, docker_manager=None, settings=Settings(max_concurrent_jobs=3)).start()
def spent():
    ours = [t.native_id for t in threading.enumerate() if t.name == "node3nb-publisher"]
    return sum(t.user_time + t.system_time for t in psutil.Process().threads() if t.id in ours)
"""


def value(client: BlockingKernelClient, expression: str) -> Any:
    """Return what an expression of plain data is in the kernel."""
    told: list[str] = []
    client.execute_interactive(
        f"print(json.dumps({expression}))",
        timeout=60,
        output_hook=lambda message: told.append(message["content"].get("text", "")),
    )
    return json.loads("".join(told))


def watched() -> tuple[float, float, int]:
    """Return the share of a core its thread takes, bytes a second, and the longest message."""
    with marketplace() as (url, consumer):
        manager, client = start_new_kernel(env=dict(os.environ))
        try:
            client.execute_interactive(START.format(url=url), timeout=60)
            comm = value(client, "p.dashboard().comm.comm_id")
            jobs = [consumer.submit({"command": ["sleep", "600"]}) for _ in range(JOBS)]
            while value(client, "p.snapshot().running") < len(jobs):
                time.sleep(0.2)
            ping(client, comm)
            time.sleep(3)
            before = value(client, "spent()")
            sizes = count(client, comm)
            after = value(client, "spent()")
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
    return (after - before) / WATCHED_S, sum(sizes) / WATCHED_S, max(sizes)


def ping(client: BlockingKernelClient, comm: str) -> None:
    """Give a sign of life, as a page does."""
    data = {"method": "custom", "content": {"kind": "ping", "view": "bench"}}
    told = {"comm_id": comm, "data": data}
    client.shell_channel.send(client.session.msg("comm_msg", told))


def count(client: BlockingKernelClient, comm: str) -> list[int]:
    """Return the size of each message of the dashboard, headers and all."""
    socket, sizes = client.iopub_channel.socket, []
    began = pinged = time.monotonic()
    while time.monotonic() - began < WATCHED_S:
        if time.monotonic() - pinged >= PING_S:
            pinged = time.monotonic()
            ping(client, comm)
        if socket.poll(200):
            frames = socket.recv_multipart()
            if any(comm.encode() in frame for frame in frames):
                sizes.append(sum(map(len, frames)))
    return sizes


def rows() -> Iterator[tuple[str, str]]:
    """Yield each figure with its name."""
    share, rate, longest = watched()
    yield f"open dashboard, {JOBS} jobs, share of a core", f"{share:.2%}"
    yield f"open dashboard, {JOBS} jobs, sent", f"{rate:.0f} B/s (longest {longest} B)"
