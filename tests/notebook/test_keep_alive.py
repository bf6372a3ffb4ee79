"""A real notebook server that ends idle kernels: jobs keep one only when its owner wants that."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.kernel_client import Kernel

#: Seconds after which the server takes a kernel for idle, and between two looks for such.
IDLE_S, LOOK_S = 5, 1
#: Seconds anything awaited here may take.
BOUND_S = 60.0

pytestmark = pytest.mark.timeout(180)

JOB = "%%node3 run --background -o job;\nimport time\ntime.sleep(600)"


class Server:
    """A notebook server on this machine's loopback."""

    def __init__(self, home: Path, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}/api"
        self._runtime = home / "runtime"

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._base}{path}", sent)
        with urllib.request.urlopen(request, timeout=BOUND_S) as answer:
            return json.load(answer)

    def kernels(self) -> list[str]:
        return [each["id"] for each in self.ask("/kernels")]

    def connection(self, kernel_id: str) -> str:
        """Return the file by which a client reaches a kernel past the server."""
        path = self._runtime / f"kernel-{kernel_id}.json"
        deadline = time.monotonic() + BOUND_S
        while not path.exists():
            assert time.monotonic() < deadline, "the kernel has no connection file"
            time.sleep(0.05)
        return str(path)


@pytest.fixture
def server(node3_home: Path) -> Iterator[Server]:
    """A server that ends kernels which publish nothing, with nobody connected to it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.open_browser": False,
        "ServerApp.root_dir": str(node3_home),
        "ServerApp.allow_root": True,
        "ServerApp.disable_check_xsrf": True,
        "IdentityProvider.token": "",
        "MappingKernelManager.cull_idle_timeout": IDLE_S,
        "MappingKernelManager.cull_interval": LOOK_S,
    }
    command = [sys.executable, "-m", "jupyter_server"]
    command += [f"--{name}={value}" for name, value in options.items()]
    env = {**os.environ, "NODE3_HOME": str(node3_home), "HOME": str(node3_home)}
    env |= {f"JUPYTER_{each}_DIR": str(node3_home / each.lower()) for each in ("RUNTIME", "CONFIG")}
    log = node3_home / "server.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=written, stderr=written
        )
    server = Server(node3_home, port)
    try:
        _await_answer(server, process, log)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(BOUND_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_answer(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + BOUND_S
    while True:
        try:
            server.ask("/status")
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return


def busy_kernel(server: Server, line: str) -> tuple[str, Kernel]:
    """Start a kernel with a provider, started by that line, and a job of a cell's."""
    kernel_id = server.ask("/kernels", {"name": "python3"})["id"]
    kernel = Kernel.reached_by(server.connection(kernel_id))
    kernel.run("%load_ext node3nb\n%config Node3.keep_alive_s = 1\n_ = %node3 market start")
    kernel.run(f"{line}\n")
    kernel.run(JOB)
    return kernel_id, kernel


def await_end(server: Server, kernel_id: str) -> None:
    deadline = time.monotonic() + BOUND_S
    while kernel_id in server.kernels():
        assert time.monotonic() < deadline, "the server has not ended an idle kernel"
        time.sleep(0.1)


def test_a_server_ends_an_idle_kernel_whatever_jobs_it_has(server: Server) -> None:
    kernel_id, kernel = busy_kernel(server, "%node3 start --native-only;")
    await_end(server, kernel_id)
    kernel.client.stop_channels()


def test_jobs_keep_their_kernel_alive_as_long_as_they_run(server: Server) -> None:
    kernel_id, kernel = busy_kernel(server, "%node3 start --native-only --keep-alive;")
    idle_id = server.ask("/kernels", {"name": "python3"})["id"]
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
        assert kernel_id in server.kernels(), "the server has ended a kernel that works"
        time.sleep(0.2)
