"""What a job's command means on this machine: its Python, its scripts, its environment."""

from __future__ import annotations

import os
import sys

from node3nb.files.workspace import Workspace
from node3nb.jobs import JobSpec

#: Where programs are looked for, after the directory of the provider's own Python.
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
#: Names that mean the provider's own interpreter.
PYTHON_NAMES = frozenset({"python", "python3"})
#: Python's options that take a value: the rest of their argument, else the next one.
_OPTIONS_WITH_VALUE = frozenset("WX")
#: Python's options after which no script follows.
_OPTIONS_INSTEAD_OF_SCRIPT = frozenset("cm")
#: The one long option of Python that takes the next argument.
_LONG_WITH_VALUE = "--check-hash-based-pycs"


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
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        if argument == "--":
            return position + 1 if position + 1 < len(arguments) else None
        if argument == "-" or _replaces_script(argument):
            return None
        if not argument.startswith("-"):
            return position
        position += 2 if _takes_next(argument) else 1
    return None


def _replaces_script(argument: str) -> bool:
    """Return whether the options, several letters behind one dash or one, hold a program."""
    return _decisive_letter(argument)[0] in _OPTIONS_INSTEAD_OF_SCRIPT


def _takes_next(argument: str) -> bool:
    letter, rest = _decisive_letter(argument)
    return argument == _LONG_WITH_VALUE or (letter in _OPTIONS_WITH_VALUE and not rest)


def _decisive_letter(argument: str) -> tuple[str, str]:
    """Return the first letter of the options that takes the rest as its value, and the rest."""
    if argument.startswith("-") and not argument.startswith("--"):
        for position, letter in enumerate(argument):
            if letter in _OPTIONS_WITH_VALUE | _OPTIONS_INSTEAD_OF_SCRIPT:
                return letter, argument[position + 1 :]
    return "", ""


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
    """Return where the file or directory of that name is; os.path: no name is an error there."""
    return next((path for path in _places(name, workspace) if os.path.exists(path)), None)


def _places(name: str, workspace: Workspace) -> list[str]:
    for mount, directory in (("/input/", workspace.input), ("/job/", workspace.job)):
        if name.startswith(mount):
            return [os.path.join(directory, name.removeprefix(mount)), name]
    return [os.path.join(directory, name) for directory in (workspace.job, workspace.input)]
