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
class GpuUse:
    """What this machine's GPUs do at one moment."""

    #: Share of the time in which they were busy, 0 to 1; the mean over all of them.
    busy: float
    #: Memory in use on all of them, in bytes.
    memory_bytes: int


def machine() -> Machine:
    """Return what this process may use; limits of a container around us count."""
    return Machine(cores=_cores(), memory_bytes=_memory(), gpus=nvidia_gpus())


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


def memory_in_use() -> int:
    """Return the memory in use, in bytes: of the container around us, if it has a limit."""
    memory = psutil.virtual_memory()
    for room, limit, use, idle in (
        (_CGROUP_V2, "memory.max", "memory.current", "inactive_file"),
        (_CGROUP_V1, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        cap, used = _number(room / limit), _number(room / use)
        if cap and used is not None and cap < memory.total:
            return max(used - _stated(room / "memory.stat", idle), 0)
    return int(memory.total - memory.available)


def _stated(path: Path, name: str) -> int:
    """Return a value of a file of names and numbers; what is cached and idle is not in use."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return 0
    return next((int(line[1]) for line in lines if line[:1] == [name]), 0)


def nvidia_tool() -> str | None:
    """Return the path of NVIDIA's own tool; None where it is not installed."""
    return shutil.which("nvidia-smi")


def nvidia_gpus() -> tuple[Gpu, ...]:
    """Return the GPUs that NVIDIA's own tool lists; none where it is missing or silent."""
    return tuple(filter(None, map(_nvidia_gpu, _nvidia("name,memory.total,compute_cap"))))


def nvidia_use() -> GpuUse | None:
    """Return what the GPUs do now; None where NVIDIA's tool is missing or silent."""
    lines = [line.split(",") for line in _nvidia("utilization.gpu,memory.used")]
    found = [[int(part) for part in line] for line in lines if _whole(line)]
    if not found:
        return None
    busy = sum(line[0] for line in found) / len(found) / 100
    return GpuUse(min(busy, 1.0), sum(line[1] for line in found) << 20)


def _whole(line: list[str]) -> bool:
    return len(line) == 2 and all(part.strip().isdecimal() for part in line)


def _nvidia(query: str) -> list[str]:
    """Ask NVIDIA's tool and return its lines, one for each GPU."""
    tool = nvidia_tool()
    if tool is None:
        return []
    try:
        asked = subprocess.run(
            [tool, f"--query-gpu={query}", "--format=csv,noheader,nounits"],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=NVIDIA_SMI_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return asked.stdout.splitlines()


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
