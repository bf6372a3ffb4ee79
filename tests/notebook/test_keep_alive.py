"""A real notebook server that ends idle kernels: jobs keep one only when its owner wants that."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import websocket
from support import jupyter_server
from support.jupyter_server import Server
from support.kernel_client import Kernel

#: Seconds after which the server takes a kernel for idle, and between two looks for such.
IDLE_S, LOOK_S = 8, 1
#: Seconds anything awaited here may take.
BOUND_S = 60.0

pytestmark = pytest.mark.timeout(180)

JOB = "%%node3 run --background -o job;\nimport time\ntime.sleep(600)"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that ends kernels which publish nothing and that nobody looks at."""
    options = {"cull_idle_timeout": IDLE_S, "cull_interval": LOOK_S}
    told = [f"--MappingKernelManager.{name}={value}" for name, value in options.items()]
    with (
        tempfile.TemporaryDirectory(prefix="n3-", ignore_cleanup_errors=True) as home,
        jupyter_server.serving(Path(home), *told) as server,
    ):
        yield server


def kernels(server: Server) -> list[str]:
    return [each["id"] for each in server.ask("/api/kernels")]


def new_kernel(server: Server) -> str:
    return str(server.ask("/api/kernels", "POST", name="python3")["id"])


def busy_kernel(server: Server, line: str) -> tuple[str, Kernel]:
    """Start a kernel with a provider, started by that line, and a job of a cell's.

    A page is open meanwhile, as its server ends no kernel that somebody looks at.
    """
    kernel_id = new_kernel(server)
    page = websocket.create_connection(
        f"{server.url.replace('http', 'ws', 1)}/api/kernels/{kernel_id}/channels",
        header=[f"Authorization: token {server.token}"],
        timeout=BOUND_S,
    )
    try:
        kernel = Kernel.reached_by(server.connection_file(kernel_id))
        kernel.run("%load_ext node3nb\n%config Node3.keep_alive_s = 1\n_ = %node3 market start")
        kernel.run(f"{line}\n")
        kernel.run(JOB)
    finally:
        page.close()
    return kernel_id, kernel


def await_end(server: Server, kernel_id: str) -> None:
    deadline = time.monotonic() + BOUND_S
    while kernel_id in kernels(server):
        assert time.monotonic() < deadline, "the server has not ended an idle kernel"
        time.sleep(0.1)


def test_a_server_ends_an_idle_kernel_whatever_jobs_it_has(server: Server) -> None:
    kernel_id, kernel = busy_kernel(server, "%node3 start --native-only;")
    await_end(server, kernel_id)
    kernel.client.stop_channels()


def test_jobs_keep_their_kernel_alive_as_long_as_they_run(server: Server) -> None:
    kernel_id, kernel = busy_kernel(server, "%node3 start --native-only --keep-alive;")
    idle_id = new_kernel(server)
    await_end(server, idle_id)
    stays(server, kernel_id, 2 * LOOK_S)
    assert kernel.value("job.running"), "it outlived a kernel that was left alone after it"

    kernel.run("job.cancel(); job.wait(60);")
    await_end(server, kernel_id)
    kernel.client.stop_channels()


def stays(server: Server, kernel_id: str, for_s: float) -> None:
    """Watch that the server leaves a kernel alone for so many seconds more."""
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        assert kernel_id in kernels(server), "the server has ended a kernel that works"
        time.sleep(0.2)
