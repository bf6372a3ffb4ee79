"""Which GPUs a job's container is given, each to one job at a time."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node3nb import hardware
from node3nb.containers.engine import Engine
from node3nb.errors import JobRefused
from node3nb.hardware import Gpu
from node3nb.jobs import Requirements
from node3nb.sizes import shown_bytes

#: Devices by which ROCm reaches the GPUs (rocm.docs.amd.com, running in Docker).
KFD, DRI = "/dev/kfd", "/dev/dri"
#: How the Container Device Interface names NVIDIA's GPUs (docs.nvidia.com, container toolkit).
CDI_NVIDIA = "nvidia.com/gpu"


@dataclass(frozen=True, slots=True)
class GpuGrant:
    """What the engine is asked for."""

    #: Requests the engine passes to a driver.
    device_requests: tuple[dict[str, Any], ...] = ()
    #: Devices of the host.
    devices: tuple[str, ...] = ()
    #: Groups that may use those.
    groups: tuple[str, ...] = ()


class Gpus:
    """The GPUs of this machine, lent to jobs.

    Parameters
    ----------
    look
        Returns NVIDIA's GPUs in the order of their numbers.
    devices
        Directory of the devices.
    """

    def __init__(
        self,
        look: Callable[[], tuple[Gpu, ...]] = hardware.nvidia_gpus,
        devices: Path = Path("/dev"),
    ) -> None:
        self._look = look
        self._devices = devices
        self._lock = threading.Lock()
        self._taken: set[int] = set()
        self._rocm_taken = False

    def shortfall(self, needs: Requirements) -> str:
        """Return why a job can't have its GPUs on this machine, ever; empty when it can."""
        if not needs.gpus:
            return ""
        gpus = self._look()
        if not gpus and not self._has_rocm():
            return "the job asks for a GPU; this machine has none."
        if not gpus:
            return ""
        enough = [gpu for gpu in gpus if gpu.memory_bytes >= needs.gpu_memory_bytes]
        if len(enough) >= needs.gpus:
            return ""
        if len(gpus) >= needs.gpus:
            most = shown_bytes(max(gpu.memory_bytes for gpu in gpus))
            asked = shown_bytes(needs.gpu_memory_bytes)
            return f"the job asks for {asked} of GPU memory; the largest GPU has {most}."
        return f"the job asks for {needs.gpus} GPUs; this machine has {len(gpus)}."

    @contextlib.contextmanager
    def lent(self, needs: Requirements, engine: Engine) -> Iterator[GpuGrant]:
        """Give a job as many GPUs as it asks for, one if it only names their memory.

        Raises
        ------
        JobRefused
            There are not as many, not as large, or other jobs have them.
        """
        if not needs.gpus:
            yield GpuGrant()
            return
        why = self.shortfall(needs)
        if why:
            raise JobRefused(f"GPU: {why}")
        gpus = self._look()
        if not gpus:
            with self._rocm() as grant:
                yield grant
            return
        taken = self._take(gpus, needs)
        try:
            yield _nvidia(taken, engine)
        finally:
            with self._lock:
                self._taken -= set(taken)

    def _take(self, gpus: tuple[Gpu, ...], needs: Requirements) -> list[int]:
        with self._lock:
            free = [
                number
                for number, gpu in enumerate(gpus)
                if number not in self._taken and gpu.memory_bytes >= needs.gpu_memory_bytes
            ][: needs.gpus]
            if len(free) < needs.gpus:
                raise JobRefused("GPU: other jobs have the GPUs of this machine; try later.")
            self._taken |= set(free)
        return free

    def _has_rocm(self) -> bool:
        return (self._devices / "kfd").exists()

    @contextlib.contextmanager
    def _rocm(self) -> Iterator[GpuGrant]:
        """Give all of ROCm's devices: one file opens every GPU, so one job has them all."""
        with self._lock:
            if self._rocm_taken:
                raise JobRefused("GPU: another job has the GPUs of this machine; try later.")
            self._rocm_taken = True
        try:
            yield GpuGrant(devices=(KFD, DRI), groups=self._groups())
        finally:
            with self._lock:
                self._rocm_taken = False

    def _groups(self) -> tuple[str, ...]:
        """Return the groups of the devices: video and render, whatever their numbers."""
        found = [self._devices / "kfd", *sorted((self._devices / "dri").glob("render*"))]
        groups = {os.stat(path).st_gid for path in found if _is_device(path)}
        return tuple(str(group) for group in sorted(groups))


def _is_device(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISCHR(path.stat().st_mode) or stat.S_ISREG(path.stat().st_mode)
    return False


def _nvidia(numbers: list[int], engine: Engine) -> GpuGrant:
    """Return the request for some of NVIDIA's GPUs in the form the engine takes."""
    names = [f"{CDI_NVIDIA}={number}" for number in numbers]
    if engine.kind == "podman":
        return GpuGrant(devices=tuple(names))
    if "cdi" in engine.gpu_runtimes and "nvidia" not in engine.gpu_runtimes:
        return GpuGrant(device_requests=({"Driver": "cdi", "DeviceIDs": names},))
    ids = [str(number) for number in numbers]
    request = {"Driver": "nvidia", "DeviceIDs": ids, "Capabilities": [["gpu"]]}
    return GpuGrant(device_requests=(request,))
