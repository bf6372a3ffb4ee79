"""A cell as a job: what is asked of this machine, or of a marketplace."""

from __future__ import annotations

import argparse
from typing import Any

from node3nb.jobs import Isolation, JobSpec, Network, Requirements, ResourceLimits
from node3nb.variables.luggage import PROGRAM, Luggage

#: The file the cell becomes.
FILE = "cell.py"
#: What runs it.
COMMAND = ("python", FILE)
#: The kind of work, for lists.
JOB_TYPE = "cell"


def luggage(args: argparse.Namespace) -> Luggage:
    """Return the variables that a line names."""
    return Luggage(args.into, args.out)


def wants_container(args: argparse.Namespace) -> bool:
    """Whether a line asks for a container, in one way or the other."""
    return bool(args.image) or args.isolation == Isolation.CONTAINER


def spec(body: str, args: argparse.Namespace) -> JobSpec:
    """Return the job that a cell is, with what its line asks.

    Raises
    ------
    JobSpecError
        A value that no job may have, named.
    """
    asked = {
        "memory_bytes": args.memory,
        "timeout_s": args.timeout,
        "cpus": args.cpus,
        "disk_bytes": args.disk,
    }
    return JobSpec(
        command=_command(args),
        job_type=JOB_TYPE,
        files=_files(body, args),
        image=args.image,
        environment=dict(args.env),
        limits=ResourceLimits(**_given(asked)),
        requirements=Requirements(
            network=Network(args.network),
            isolation=Isolation(args.isolation) if args.isolation else None,
            container=wants_container(args),
        ),
    )


def submission(body: str, args: argparse.Namespace) -> dict[str, Any]:
    """Return the same job in the words of the marketplace's protocol."""
    needs = {
        "memory_bytes": args.memory,
        "cpus": args.cpus,
        "disk_bytes": args.disk,
        "isolation": "container" if wants_container(args) else args.isolation,
        "network": args.network,
    }
    asked = {
        "command": list(_command(args)),
        "job_type": JOB_TYPE,
        "files": _files(body, args),
        "environment": dict(args.env),
        "docker_image": args.image or None,
        "timeout": args.timeout,
        "reward": args.reward,
        "requirements": _given(needs),
    }
    if args.into or args.input is not None:
        asked |= {"awaits_input": True, "input_name": "input.tar.gz"}
    return _given(asked)


def _command(args: argparse.Namespace) -> tuple[str, ...]:
    return ("python", PROGRAM) if luggage(args) else COMMAND


def _files(body: str, args: argparse.Namespace) -> dict[str, str]:
    taken = luggage(args)
    return {FILE: body, **(taken.files() if taken else {})}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
