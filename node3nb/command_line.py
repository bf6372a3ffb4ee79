"""What a job's command means on this machine: its Python, its scripts, its environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from node3nb.jobs import JobSpec
from node3nb.files.workspace import Workspace

#: Where programs are looked for, after the directory of the provider's own Python.
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
#: Names that mean the provider's own interpreter.
PYTHON_NAMES = frozenset({"python", "python3"})
#: Python's options that take the next argument (python --help).
_OPTIONS_WITH_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})
#: Python's options after which no script follows.
_OPTIONS_INSTEAD_OF_SCRIPT = ("-c", "-m")


class ScriptMissing(Exception):
    """The command names a script that is neither in the job's directory nor in its input."""


def resolve(spec: JobSpec, workspace: Workspace) -> tuple[str, ...]:
    """Return program and arguments as they are executed at a level without mounts.

    `python` and `python3` become the provider's own interpreter.  The script that follows, or
    a program given by its path, is looked for in the job's directory and in its input; a path
    below `/input` or `/job` is looked for where that directory really is.

    Raises
    ------
    ScriptMissing
        A script is named that is in neither; the message says so.
    """
    program, *arguments = spec.command
    if program not in PYTHON_NAMES:
        return (_program(program, workspace), *arguments)
    position = _script_position(arguments)
    if position is not None:
        arguments[position] = _script(arguments[position], workspace)
    return (sys.executable, *arguments)


def environment(spec: JobSpec, workspace: Workspace) -> dict[str, str]:
    """Return a job's whole environment; nothing of the provider's own is in it."""
    given = {
        "PATH": f"{os.path.dirname(sys.executable)}:{SYSTEM_PATH}",
        "LANG": "C.UTF-8",
        "HOME": str(workspace.job),
        "TMPDIR": str(workspace.tmp),
    }
    ours = {
        "JOB_ID": spec.job_id,
        "INPUT_DIR": str(workspace.input),
        "OUTPUT_DIR": str(workspace.output),
    }
    return given | dict(spec.environment) | ours


def _script_position(arguments: list[str]) -> int | None:
    """Return where among Python's arguments the script stands, or None for no script."""
    skip = False
    for position, argument in enumerate(arguments):
        if skip:
            skip = False
        elif argument in _OPTIONS_WITH_VALUE:
            skip = True
        elif argument == "-" or argument.startswith(_OPTIONS_INSTEAD_OF_SCRIPT):
            return None
        elif not argument.startswith("-"):
            return position
    return None


def _script(name: str, workspace: Workspace) -> str:
    found = _look(name, workspace)
    if found is None:
        raise ScriptMissing(
            f"command: the script {name[:200]!r} is neither in the job's directory nor in its "
            "input; send it in `files` or in the input."
        )
    return found


def _program(name: str, workspace: Workspace) -> str:
    if "/" not in name:
        return name
    return _look(name, workspace) or name


def _look(name: str, workspace: Workspace) -> str | None:
    return next((str(path) for path in _places(name, workspace) if path.is_file()), None)


def _places(name: str, workspace: Workspace) -> list[Path]:
    for mount, directory in (("/input/", workspace.input), ("/job/", workspace.job)):
        if name.startswith(mount):
            return [directory / name.removeprefix(mount), Path(name)]
    return [workspace.job / name, workspace.input / name]
