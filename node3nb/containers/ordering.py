"""A job, ordered from the process that owns containers, for one engine."""

from __future__ import annotations

import os
import posixpath

from node3nb import command_line
from node3nb.containers.engine import Engine
from node3nb.containers.gpus import GpuGrant
from node3nb.containers.images import Image
from node3nb.errors import JobRefused
from node3nb.files.workspace import Workspace
from node3nb.inert_text import line
from node3nb.jobs import JobSpec, Network
from node3nb.supervisor.containers.orders import INPUT, OUTPUT, WORK, ContainerOrder

#: Directories of the job's own, and of the kernel's, in a container.
_JOBS = tuple(f"{place}/" for place in (INPUT, OUTPUT, WORK))
_SYSTEMS = ("/dev/", "/proc/", "/sys/")


def order(
    spec: JobSpec,
    workspace: Workspace,
    engine: Engine,
    granted: tuple[Image, GpuGrant],
    *,
    prepare: bool,
    asked_ns: int,
) -> ContainerOrder:
    """Return the order for a job.

    Parameters
    ----------
    granted
        Its image and its GPUs.
    prepare
        Whether a container of its image may wait for the next such job.
    asked_ns
        When it was asked for, on the monotonic clock, in nanoseconds.

    Raises
    ------
    ScriptMissing
        Its command names a script that is not there.
    """
    image, grant = granted
    view = command_line.View.of(workspace, mounted=True)
    limits = spec.limits
    return ContainerOrder(
        job=spec.job_id,
        engine=engine.socket,
        image=image.id,
        entrypoint=image.entrypoint,
        volumes=image.volumes,
        argv=_argv(spec, workspace, view, image),
        env=command_line.added_environment(spec, view),
        root=str(workspace.root),
        input=str(workspace.input),
        output=str(workspace.output),
        work=str(workspace.job),
        log=str(workspace.log),
        network=str(spec.requirements.network),
        user=_user(engine),
        device_requests=grant.device_requests,
        devices=grant.devices,
        groups=grant.groups,
        relabel=engine.selinux,
        init=engine.init,
        prepare=prepare and _may_wait(spec),
        same_kernel=engine.same_kernel,
        cpus=limits.cpus,
        memory_bytes=limits.memory_bytes,
        disk_bytes=limits.disk_bytes,
        disk_files=limits.disk_files,
        timeout_s=limits.timeout_s,
        processes=limits.processes,
        log_bytes=limits.log_bytes,
        grace_s=limits.grace_s,
        asked_ns=asked_ns,
    )


def check_volumes(image: Image) -> None:
    """Refuse volumes nothing can be mounted for.

    Inside our mounts the engine would make root's directories; the kernel's places are its own.

    Raises
    ------
    JobRefused
        The image has one.
    """
    for path in image.volumes:
        if not path.startswith("/"):
            raise JobRefused(f"The image has a volume at {line(path)}, which is no absolute path.")
        inside = f"/{posixpath.normpath(path).strip('/')}/"
        if inside.startswith(_JOBS):
            raise JobRefused(
                f"The image has a volume at {line(path)}, which is the job's own place."
            )
        if inside == "//" or inside.startswith(_SYSTEMS):
            raise JobRefused(f"The image has a volume at {line(path)}, which is the system's.")


def layers(engine: Engine) -> tuple[str, ...]:
    """Return the protections a container of this engine has."""
    layers = {
        "container": True,
        "seccomp": engine.seccomp,
        "cgroup": True,
        "no-capabilities": True,
        "read-only-root": True,
        "init": engine.init,
        "rootless": engine.rootless,
        "own-user": _user(engine) == "",
    }
    return tuple(name for name, on in layers.items() if on)


def _argv(
    spec: JobSpec, workspace: Workspace, view: command_line.View, image: Image
) -> tuple[str, ...]:
    """Return the command; what an entrypoint makes of it is the image's own business."""
    if image.entrypoint:
        return spec.command
    return command_line.resolve(spec, workspace, view, python="")


def _may_wait(spec: JobSpec) -> bool:
    """Whether a container may hold, without a job, what such a job is given."""
    return not spec.requirements.gpus and spec.requirements.network != Network.HOST


def _user(engine: Engine) -> str:
    """Return as whom jobs run: the owner, who is user 0 inside a rootless engine's containers.

    Empty for root: the supervisor takes a user that stands for no account.
    """
    if engine.rootless:
        return "0:0"
    return f"{os.getuid()}:{os.getgid()}" if os.getuid() else ""
