"""Tries every attack at one level as the user it is run by: `python -m security.room AREA LEVEL`.

Prints one JSON object: the level and its layers, and for each attack what came of it in a job
and what comes of it in a plain process of the same user.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from security import greed, traps
from security.jobs_at_level import INPUT, Jobs, run_plain
from security.table import ATTACKS, QUIET_PROGRAMS
from security.targets import Targets, stand

from node3nb.files.workspace import Workspace

Outcomes = dict[str, dict[str, str]]


def main(level: str, area: Path) -> None:
    """Try everything and print what came of it."""
    os.environ["OWNER_ENVIRONMENT"] = f"secret-of-the-owner-{secrets.token_hex(8)}"
    with contextlib.closing(Jobs(level, area)) as jobs, open(__file__) as left_open:
        os.set_inheritable(left_open.fileno(), True)
        with _alone(), jobs.other() as other:
            plain = _quiet(jobs, area / "plain", other, as_job=False)
        with _alone(), jobs.other() as other:
            found = _quiet(jobs, area / "quiet", other, as_job=True)
        found |= greed.attack(jobs)
        print(json.dumps(_facts(jobs) | {"found": found, "plain": plain}))


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep other rooms waiting, whoever runs them: some signals are for everybody."""
    known_to_all = os.open("/tmp", os.O_RDONLY)
    fcntl.flock(known_to_all, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(known_to_all)


def _facts(jobs: Jobs) -> dict[str, Any]:
    """Return what the last job's result says of its level."""
    result = jobs.last
    assert result is not None
    return {
        "isolation": result.isolation,
        "layers": sorted({*result.layers, result.memory_enforced_by}),
        "missing": jobs.missing,
        "root": not os.geteuid(),
    }


def _quiet(jobs: Jobs, place: Path, other: dict[str, str], *, as_job: bool) -> Outcomes:
    """Try all attacks that leave their job alive, against targets of their own."""
    found: Outcomes = {}
    with stand(place, other) as targets:
        told = targets.coordinates()
        for program in QUIET_PROGRAMS:
            with jobs.place() as workspace:
                names = tuple(each.name for each in ATTACKS if each.program == program)
                if as_job:
                    result = jobs.run(workspace, program, names, told)
                    found |= _lines(result.stdout, names, result)
                else:
                    logged = told | {"log": str(workspace.log)}
                    found |= _lines(run_plain(workspace, program, names, logged), names, None)
                found |= _judge_workspace(workspace, targets, names, found)
        return _judge(found, targets)


def _lines(stdout: str, names: tuple[str, ...], result: object) -> Outcomes:
    """Return what the attacks said; one that said nothing was no attack."""
    silent = {"outcome": "error", "detail": f"no word of it: {result}"}
    told = [json.loads(line) for line in stdout.splitlines() if line.startswith("{")]
    said = {each.pop("attack"): each for each in told}
    return {name: said.get(name, silent) for name in names}


def _judge_workspace(
    workspace: Workspace, targets: Targets, names: tuple[str, ...], found: Outcomes
) -> Outcomes:
    """Judge what can only be seen while the job's own directories are there."""
    judged = {
        "write_input": (workspace.input / "data.txt").read_text() != INPUT,
        "write_log": (workspace.log / "planted").exists(),
    }
    traps_set = [name for name in names if name.startswith("trap_")]
    if traps_set:
        judged |= traps.judge(workspace.output, targets.secret("key"))
    return {name: _verdict(found[name], judged[name]) for name in names if name in judged}


def _judge(found: Outcomes, targets: Targets) -> Outcomes:
    """Believe the targets, not the attacks."""
    loot, marks = targets.loot(), targets.marks()
    for name, said in found.items():
        if name in loot:
            found[name] = _verdict(said, loot[name] in said["detail"])
        elif name in marks:
            found[name] = _verdict(said, marks[name])
    return found


def _verdict(said: dict[str, str], succeeded: bool) -> dict[str, str]:
    """Return the outcome as seen from outside; an attack that is broken stays broken."""
    if succeeded:
        return said | {"outcome": "succeeded"}
    if said["outcome"] == "succeeded":
        return {"outcome": "stopped", "detail": "nothing came of it"}
    return said


if __name__ == "__main__":
    try:
        main(sys.argv[2], Path(sys.argv[1]))
    except Exception:
        traceback.print_exc()
        sys.stdout.flush()
        os._exit(1)
