"""A real notebook server that ends idle kernels: jobs keep one only when its owner wants that."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import jupyter_server
from support.jupyter_server import Server
from support.kernel_client import Kernel

#: Seconds after which the server takes a kernel for idle, and between two looks for such.
IDLE_S, LOOK_S = 5, 1
#: Seconds anything awaited here may take.
BOUND_S = 60.0

pytestmark = pytest.mark.timeout(180)

JOB = "%%node3 run --background -o job;\nimport time\ntime.sleep(600)"


@pytest.fixture
def server(node3_home: Path) -> Iterator[Server]:
    """A server that ends kernels which publish nothing, with nobody connected to it."""
    home = node3_home / "server"
    home.mkdir()
    options = {"cull_idle_timeout": IDLE_S, "cull_interval": LOOK_S}
    told = [f"--MappingKernelManager.{name}={value}" for name, value in options.items()]
    with jupyter_server.serving(home, *told) as server:
        yield server


def kernels(server: Server) -> list[str]:
    return [each["id"] for each in server.ask("/api/kernels")]


def busy_kernel(server: Server, line: str) -> tuple[str, Kernel]:
    """Start a kernel with a provider, started by that line, and a job of a cell's."""
    kernel_id = server.ask("/api/kernels", "POST", name="python3")["id"]
    kernel = Kernel.reached_by(server.connection_file(kernel_id))
    kernel.run("%load_ext node3nb\n%config Node3.keep_alive_s = 1\n_ = %node3 market start")
    kernel.run(f"{line}\n")
    kernel.run(JOB)
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
    idle_id = server.ask("/api/kernels", "POST", name="python3")["id"]
    await_end(server, idle_id)
    await_idle_again(server, kernel_id)
    assert kernel.value("job.running"), "it outlived a kernel that was started after it"

    kernel.run("job.cancel(); job.wait(60);")
    await_end(server, kernel_id)
    kernel.client.stop_channels()


def await_idle_again(server: Server, kernel_id: str) -> None:
    """Wait until the server has had time to end the kernel twice, and has not."""
    until = time.monotonic() + 2 * (IDLE_S + LOOK_S)
    while time.monotonic() < until:
        assert kernel_id in kernels(server), "the server has ended a kernel that works"
        time.sleep(0.2)
