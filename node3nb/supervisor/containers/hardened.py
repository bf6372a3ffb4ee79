"""The container a job is given: what the engine is asked to create, deny by default."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Any

from node3nb.supervisor.containers.orders import INPUT, OUTPUT, WORK, ContainerOrder
from node3nb.supervisor.limits import FILE_SLACK_BYTES, OPEN_FILES

#: Labels by which a container is known to be ours.
PROVIDER, JOB, HOME = "node3nb.provider", "node3nb.job", "node3nb.home"
#: By which NVIDIA's runtime is asked for GPUs, and what asks for none and mounts nothing
#: (docs.nvidia.com, container toolkit, "Specialized Configurations with Docker").
GPUS, NO_GPUS = "NVIDIA_VISIBLE_DEVICES", "void"
#: Weight against everything else that wants the processor: the least an engine takes, 1024 is
#: everybody's (docs.docker.com, resource constraints).
CPU_SHARES = 2
#: Tasks of one user on the whole machine; the container's own limit is another.  Below what
#: Podman leaves itself, which it could not raise again.
USER_TASKS = 16384
#: Directory of a container whose files are in memory.
TMP = "/tmp"  # noqa: S108 - in the container
#: Part of the memory that files in it may take.
TMP_PART = 2
#: Shared memory between the job's processes, in bytes, as part of its memory.
SHM_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Places:
    """Directories of the host that a container shows."""

    #: What the job reads.
    input: str
    #: What it leaves.
    output: str
    #: Where it works.
    work: str


def request(
    order: ContainerOrder,
    places: Places,
    user: str,
    labels: dict[str, str],
    *,
    waiting: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the body of the call that creates a job's container.

    Parameters
    ----------
    order
        The job.
    places
        Directories it is shown.
    user
        `uid:gid` it runs as.
    labels
        By which the container is found again.
    waiting
        Program that waits for the command on its standard input; empty for the command itself.
    """
    return {
        "Image": order.image,
        "Cmd": list(waiting or order.argv),
        "Env": _environment(order, waiting=bool(waiting)),
        "User": user,
        "WorkingDir": WORK,
        "Labels": labels,
        "OpenStdin": bool(waiting),
        "StdinOnce": bool(waiting),
        "AttachStdin": bool(waiting),
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": False,
        "NetworkDisabled": order.network == "none",
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host_config(order, places),
    }


def mounted(order: ContainerOrder) -> tuple[str, ...]:
    """Return where something is mounted in the job's container."""
    return (INPUT, OUTPUT, WORK, *_tmpfs(order))


def _environment(order: ContainerOrder, *, waiting: bool) -> list[str]:
    """Return the variables set beside the image's; the job's own wait with its command.

    Where NVIDIA's runtime is an engine's usual one, a variable gives GPUs: the image's and the
    job's count for nothing, only what is granted does.
    """
    told = {} if waiting else {name: value for name, value in order.env.items() if name != GPUS}
    by_engine = any(each.get("Driver") == "nvidia" for each in order.device_requests)
    gpus = {} if by_engine else {GPUS: NO_GPUS}
    return [f"{name}={value}" for name, value in (told | gpus).items()]


def _host_config(order: ContainerOrder, places: Places) -> dict[str, Any]:
    return {
        **_mounts(order, places),
        "NetworkMode": order.network,
        "IpcMode": "private",
        "PidMode": "",
        "Privileged": False,
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Tmpfs": _tmpfs(order),
        "ShmSize": min(SHM_BYTES, order.memory_bytes),
        "Memory": order.memory_bytes,
        "MemorySwap": order.memory_bytes,
        "NanoCpus": round(order.cpus * 1e9),
        "CpuShares": CPU_SHARES,
        "PidsLimit": order.processes + order.init,
        "Ulimits": _ulimits(order),
        "OomScoreAdj": 1000,
        "Init": order.init,
        "LogConfig": {"Type": "none"},
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        "Devices": [
            {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rw"}
            for path in order.devices
        ],
        "DeviceRequests": list(order.device_requests),
        "GroupAdd": list(order.groups),
    }


def _mounts(order: ContainerOrder, places: Places) -> dict[str, Any]:
    """Return the mounts; only the older form of them can ask for a label of SELinux."""
    mounts = (
        (places.input, INPUT, "ro"),
        (places.output, OUTPUT, "rw"),
        (places.work, WORK, "rw"),
    )
    if order.relabel:
        return {"Binds": [f"{source}:{target}:{mode},Z" for source, target, mode in mounts]}
    return {
        "Mounts": [
            {"Type": "bind", "Source": source, "Target": target, "ReadOnly": mode == "ro"}
            for source, target, mode in mounts
        ]
    }


def _tmpfs(order: ContainerOrder) -> dict[str, str]:
    """Return what stands in memory: /tmp, and what the image would have a volume made for."""
    taken = {INPUT, OUTPUT, WORK}
    paths = {TMP, *order.volumes} - taken
    size = min(order.disk_bytes, order.memory_bytes // TMP_PART)
    return dict.fromkeys(sorted(paths), f"rw,exec,nosuid,nodev,mode=1777,size={size}")


def _ulimits(order: ContainerOrder) -> list[dict[str, Any]]:
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    tasks = USER_TASKS if most == resource.RLIM_INFINITY else min(USER_TASKS, most)
    caps = {
        "nofile": OPEN_FILES,
        "nproc": tasks,
        "core": 0,
        "fsize": order.disk_bytes + FILE_SLACK_BYTES,
    }
    return [{"Name": name, "Soft": cap, "Hard": cap} for name, cap in caps.items()]
