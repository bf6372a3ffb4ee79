"""What this machine has, and what it does now."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

#: Seconds nvidia-smi gets to answer.
NVIDIA_SMI_S = 10.0
_CGROUP_V2 = Path("/sys/fs/cgroup")
_CGROUP_V1 = Path("/sys/fs/cgroup/memory")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU of this machine."""

    #: Its maker's name for it.
    model: str
    #: Its maker.
    vendor: str
    #: Its memory, in bytes.
    memory_bytes: int
    #: CUDA compute capability; empty when it has none.
    compute_capability: str = ""
    #: Driver framework that reaches it: CUDA or ROCm.
    framework: str = "CUDA"


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine can give to jobs."""

    #: Cores this process may use.
    cores: int
    #: Memory this process may use, in bytes.
    memory_bytes: int
    #: Its GPUs.
    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """What the machine does at one moment."""

    #: Share of all cores in use, 0 to 1.
    cpu: float
    #: Memory in use, in bytes.
    memory_bytes: int
    #: Charge of the battery, 0 to 1; None without one.
    battery: float | None
    #: Whether it runs on its battery.
    on_battery: bool


def machine() -> Machine:
    """Return what this process may use; limits of a container around us count."""
    return Machine(cores=_cores(), memory_bytes=_memory(), gpus=nvidia_gpus())


def load() -> Load:
    """Return what the machine does now; CPU is measured since the last call."""
    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    return Load(
        cpu=psutil.cpu_percent() / 100,
        memory_bytes=psutil.virtual_memory().used,
        battery=None if battery is None else battery.percent / 100,
        on_battery=battery is not None and battery.power_plugged is False,
    )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int:
    caps = [_number(_CGROUP_V2 / "memory.max"), _number(_CGROUP_V1 / "memory.limit_in_bytes")]
    return min([psutil.virtual_memory().total, *(cap for cap in caps if cap)])


def _number(path: Path) -> int | None:
    """Return the number in a file of the kernel's; None for no file or no limit."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def nvidia_gpus() -> tuple[Gpu, ...]:
    """Return the GPUs that NVIDIA's own tool lists; none where it is missing or silent."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    query = "--query-gpu=name,memory.total,compute_cap"
    try:
        asked = subprocess.run(
            [tool, query, "--format=csv,noheader,nounits"],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=NVIDIA_SMI_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(filter(None, map(_nvidia_gpu, asked.stdout.splitlines())))


def _nvidia_gpu(line: str) -> Gpu | None:
    """Read one line of nvidia-smi: name, MiB of memory, compute capability."""
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != 3 or not parts[1].isdigit():
        return None
    return Gpu(parts[0], "NVIDIA", int(parts[1]) << 20, parts[2])


def gpu_info(gpus: tuple[Gpu, ...]) -> dict[str, Any]:
    """Return the fields by which the protocol describes an agent's GPU; the largest one counts."""
    if not gpus:
        return {
            "gpu_model": "none",
            "gpu_vendor": "none",
            "gpu_type": "none",
            "compute_framework": "none",
            "gpu_memory": 0,
            "compute_capability": None,
        }
    gpu = max(gpus, key=lambda each: each.memory_bytes)
    return {
        "gpu_model": gpu.model,
        "gpu_vendor": gpu.vendor,
        "gpu_type": gpu.vendor.lower(),
        "compute_framework": gpu.framework,
        "gpu_memory": gpu.memory_bytes,
        "compute_capability": gpu.compute_capability or None,
    }
