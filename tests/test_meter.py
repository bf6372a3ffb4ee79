"""What the machine and this process do, as it is read."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import psutil
import pytest

from node3nb import hardware
from node3nb.hardware import GpuUse
from node3nb.meter import Meter

TOOL = """#!/bin/sh
case "$1" in
  *utilization*) echo "40, 1024"; echo "[N/A], 5"; echo "80, 2048" ;;
  *) echo "Test GPU, 4096, 8.0" ;;
esac
"""


def test_a_process_that_works_is_seen_to_work() -> None:
    meter = Meter()
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    busy = meter.read()
    assert busy is meter.last
    assert busy.process_cpu > 0
    assert 0 < busy.cpu <= 1
    assert busy.process_memory_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.5)
    assert 0 < busy.memory_bytes < psutil.virtual_memory().total


def test_what_loopback_carries_is_no_network() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    meter = Meter()
    with socket.create_connection(listener.getsockname()) as sender:
        receiver, _ = listener.accept()
        for _ in range(64):
            sender.sendall(b"x" * 65_536)
            left = 65_536
            while left:
                left -= len(receiver.recv(left))
        receiver.close()
    listener.close()
    assert meter.read().received_bytes_s < 64 * 65_536


def test_gpus_tell_their_mean_and_their_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(TOOL)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert hardware.nvidia_use() == GpuUse(busy=0.6, memory_bytes=3 << 30)
    meter = Meter()
    deadline = time.monotonic() + 60
    while meter.read().gpu is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert meter.last.gpu == GpuUse(busy=0.6, memory_bytes=3 << 30)


def test_without_nvidias_tool_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert hardware.nvidia_use() is None
    assert Meter().read().gpu is None


def test_memory_of_a_container_around_us_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (
        ("memory.max", "1000000"),
        ("memory.current", "700000"),
        ("memory.stat", "anon 1\ninactive_file 200000\n"),
    ):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(hardware, "_CGROUP_V2", tmp_path)
    assert hardware.memory_in_use() == 500_000
    (tmp_path / "memory.stat").unlink()
    assert hardware.memory_in_use() == 700_000
    (tmp_path / "memory.max").write_text("max")
    monkeypatch.setattr(hardware, "_CGROUP_V1", tmp_path / "none")
    assert hardware.memory_in_use() > 1_000_000
