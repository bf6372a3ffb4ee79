"""What this machine can do for jobs, and what is missing: what `doctor` tells."""

from __future__ import annotations

import platform
import shlex
import shutil
from dataclasses import asdict
from typing import Any

from node3nb import __version__, config, hardware, inert_text
from node3nb.agent.ledger import Ledger
from node3nb.agent.settings import MIN_FREE_BYTES
from node3nb.agent.undelivered import undelivered
from node3nb.docker_manager import DockerManager
from node3nb.errors import ConfigError
from node3nb.executor import choose, not_stopped_at
from node3nb.jobs import Isolation, JobSpec
from node3nb.native_executor import NativeExecutor
from node3nb.sizes import shown_bytes

#: The attacks are programs of native jobs; nobody has tried them in a container yet.
_UNMEASURED = (
    "not measured: what a container does not stop; docs/containers.md says what a job may do there."
)


def examine(isolation: Isolation | None = None) -> dict[str, Any]:
    """Return what was found, as plain data.

    Parameters
    ----------
    isolation
        Native level to look at; None is the strongest there is.
    """
    native, container = NativeExecutor(isolation), DockerManager(prepare=False)
    try:
        choice = choose(JobSpec(command=("true",)), (container, native))
        executors = [container.available(), native.available()]
        there = executors[1].available
        missing = native.missing_layers() if there else {}
        landlock = native.landlock if there else 0
    finally:
        native.close()
        container.close()
    engine = container.find().engine
    machine = hardware.machine()
    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": machine.cores,
        "memory_bytes": machine.memory_bytes,
        "gpus": [gpu.model for gpu in machine.gpus],
        "state_dir": str(config.state_dir()),
        "state_free_bytes": shutil.disk_usage(config.state_dir()).free,
        "work_dir": str(config.work_dir()),
        "work_free_bytes": shutil.disk_usage(config.work_dir()).free,
        "outbox_dir": str(config.outbox_dir()),
        "undelivered": {
            url: asdict(waiting) for url, waiting in undelivered(config.outbox_dir()).items()
        },
        **_earned(),
        "agent": _agent(config.marketplace_url(None)),
        "executor": choice.executor.name if choice.executor else None,
        "why": choice.why,
        "isolation": executors[1].isolation,
        "memory_enforced_by": executors[1].memory_enforced_by,
        "layers": executors[1].layers,
        "missing": missing,
        "landlock": landlock,
        "not_stopped": list(not_stopped_at(executors[1])),
        "engine": engine.facts() if engine else None,
        "executors": {each.executor: each.reason for each in executors},
    }


def told(found: dict[str, Any]) -> str:
    """Return what was found as lines of text."""
    landlock = f"Landlock {found['landlock']}" if found["landlock"] else "no Landlock"
    lines = [
        f"node3nb {found['version']}, Python {found['python']}, {found['system']}, {landlock}",
        f"machine    {found['cores']} cores, {shown_bytes(found['memory_bytes'])} of memory",
        f"GPUs       {', '.join(found['gpus']) or 'none'}",
        f"state      {found['state_dir']}",
        _told_disk(found),
        *_told_undelivered(found),
        *_told_earned(found),
        f"agent      {inert_text.line(found['agent'], 300)}",
        f"executor   {found['executor'] or 'none'} ({found['why']})",
        f"isolation  {found['isolation'] or 'none'}",
        f"memory     enforced by {found['memory_enforced_by'] or 'nothing'}",
        *(f"  {name:<11} {reason}" for name, reason in found["executors"].items()),
        *_told_engine(found["engine"]),
        *(f"  {name:<11} on" for name in found["layers"]),
        *(f"  {name:<11} off: {reason}" for name, reason in found["missing"].items()),
        *(f"not stopped: a job may {told}." for told in found["not_stopped"]),
        *([] if found["not_stopped"] else ["not stopped: none of the attacks that are tried."]),
        *([_UNMEASURED] if found["engine"] else []),
    ]
    if found["isolation"] == Isolation.LIMITS:
        lines.append("Level limits does not keep a job from your files; it is not for strangers.")
    return "\n".join(lines)


def _agent(url: str) -> str:
    """Return in a sentence how a provider becomes an agent of a marketplace."""
    try:
        where = config.origin(url)
        if config.key("agent", url):
            return f"{where} has given it a key."
        if config.key("invitation", url):
            return f"It registers at {where} with your invitation."
    except ConfigError as error:
        return str(error)
    return f"It registers at {where}; where agents are invited, it needs NODE3_INVITATION set."


def _told_disk(found: dict[str, Any]) -> str:
    state, work = (shown_bytes(found[f"{name}_free_bytes"]) for name in ("state", "work"))
    least = shown_bytes(MIN_FREE_BYTES)
    return f"disk       {state} free for state, {work} for workspaces; jobs need {least}"


def _told_undelivered(found: dict[str, Any]) -> list[str]:
    """Return what waits for each marketplace, and how to remove what never gets there."""
    lines = []
    for url, waiting in sorted(found["undelivered"].items()):
        told = f"results    {waiting['count']}, {shown_bytes(waiting['bytes'])}, "
        if url:
            told += f"wait for {inert_text.line(url, 200)}: `%node3 start --marketplace URL` sends"
            told += " them with the key they were made with"
        else:
            told += "can't be read"
        lines.append(told)
    if lines:
        command = shlex.join(["rm", "-r", found["outbox_dir"]])
        lines.append(f"  to give up all of them: with no provider running, {command}")
    return lines


def _earned() -> dict[str, Any]:
    """Return what was earned, by marketplace, and why that can't be told, if it can't."""
    try:
        sums = Ledger(config.ledger_file()).marketplaces()
    except OSError as error:
        return {"earned": {}, "ledger_trouble": str(error)}
    told = {url: {"today": asdict(day), "ever": asdict(ever)} for url, (day, ever) in sums.items()}
    return {"earned": told, "ledger_trouble": ""}


def _told_earned(found: dict[str, Any]) -> list[str]:
    """Return what each marketplace has paid, and how many jobs ended how."""
    trouble = found["ledger_trouble"]
    lines = [f"earned     {inert_text.line(trouble, 300)}"] if trouble else []
    for url, sums in found["earned"].items():
        ever, today = sums["ever"], sums["today"]
        lines.append(
            f"earned     {ever['earned']:g} at {inert_text.line(url, 200)}: "
            f"{ever['completed']} jobs completed, {ever['failed']} not; "
            f"today {today['earned']:g}: {today['completed']}, {today['failed']} not"
        )
    return lines


def _told_engine(facts: dict[str, Any] | None) -> list[str]:
    """Return what the container engine says of itself, as one line."""
    if facts is None:
        return []
    told = [
        f"{facts['engine']} at {facts['socket']} ({facts['source']})",
        "rootless" if facts["rootless"] else "as root",
        f"control groups {facts['cgroup_version'] or 'of unknown version'}",
        f"storage {facts['storage_driver']}",
        f"GPUs by {', '.join(facts['gpu_runtimes']) or 'no runtime'}",
        "seccomp on" if facts["seccomp"] else "seccomp off",
    ]
    return [f"engine     {', '.join(told)}"]
