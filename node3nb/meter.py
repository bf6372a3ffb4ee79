"""Meter: what this machine and this process do from one reading to the next."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass

import psutil

from node3nb import hardware
from node3nb.hardware import GpuUse

#: Seconds between two looks at the GPUs: each starts NVIDIA's tool.
GPU_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One moment; rates are means since the reading before."""

    #: Share of all cores in use, 0 to 1.
    cpu: float
    #: Memory in use, in bytes.
    memory_bytes: int
    #: Bytes a second that came in over the network, loopback left out.
    received_bytes_s: float
    #: Bytes a second that went out.
    sent_bytes_s: float
    #: Cores this process itself keeps busy.
    process_cpu: float
    #: Memory of this process, in bytes.
    process_memory_bytes: int
    #: What the GPUs do; None without one, or before they have answered.
    gpu: GpuUse | None


@dataclass(frozen=True, slots=True)
class _Counters:
    at: float
    busy_s: float
    total_s: float
    process_s: float
    received: int
    sent: int


class Meter:
    """Reads this machine; one object for one reader, on one thread."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._gpu = _GpuWatch()
        self._before = self._counters()
        #: What was read last; all zeros before.
        self.last = Reading(0.0, 0, 0.0, 0.0, 0.0, 0, None)

    def read(self) -> Reading:
        """Return what has gone on since the last call."""
        before, now = self._before, self._counters()
        self._before = now
        passed_s = max(now.at - before.at, 1e-3)
        total_s = now.total_s - before.total_s
        self.last = Reading(
            cpu=min((now.busy_s - before.busy_s) / total_s, 1.0) if total_s > 0 else 0.0,
            memory_bytes=hardware.memory_in_use(),
            received_bytes_s=max(now.received - before.received, 0) / passed_s,
            sent_bytes_s=max(now.sent - before.sent, 0) / passed_s,
            process_cpu=(now.process_s - before.process_s) / passed_s,
            process_memory_bytes=self._process.memory_info().rss,
            gpu=self._gpu.look(),
        )
        return self.last

    def _counters(self) -> _Counters:
        cpu = psutil.cpu_times()
        idle_s = cpu.idle + getattr(cpu, "iowait", 0.0)
        # Linux counts the time of guests in user and nice already (proc(5), guest).
        guests_s = getattr(cpu, "guest", 0.0) + getattr(cpu, "guest_nice", 0.0)
        own = self._process.cpu_times()
        received, sent = _network()
        return _Counters(
            at=time.monotonic(),
            busy_s=sum(cpu) - guests_s - idle_s,
            total_s=sum(cpu) - guests_s,
            process_s=own.user + own.system,
            received=received,
            sent=sent,
        )


def _network() -> tuple[int, int]:
    """Return the bytes that every device but loopback has received and sent."""
    with contextlib.suppress(OSError):
        devices = psutil.net_io_counters(pernic=True, nowrap=False)
        ours = [each for name, each in devices.items() if not name.startswith("lo")]
        return sum(each.bytes_recv for each in ours), sum(each.bytes_sent for each in ours)
    return 0, 0


class _GpuWatch:
    """Asks for the GPUs' use on a thread of its own: the tool that tells may take seconds."""

    def __init__(self) -> None:
        self._use: GpuUse | None = None
        self._asked_at = float("-inf")
        self._asking = threading.Lock()
        self._there = hardware.nvidia_tool() is not None

    def look(self) -> GpuUse | None:
        """Return what was last heard, and ask again now and then."""
        due = time.monotonic() - self._asked_at >= GPU_EVERY_S
        if self._there and due and self._asking.acquire(blocking=False):
            self._asked_at = time.monotonic()
            threading.Thread(target=self._ask, name="node3nb-gpu", daemon=True).start()
        return self._use

    def _ask(self) -> None:
        try:
            self._use = hardware.nvidia_use()
        finally:
            self._asking.release()
