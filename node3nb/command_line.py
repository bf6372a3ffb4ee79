"""What a job's command means on this machine: its Python, its scripts, its environment."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class View:
    """Where a job finds its directories."""

    input: str
    output: str
    job: str
    tmp: str

    @classmethod
    def of(cls, workspace: Workspace, *, mounted: bool) -> View:
        """Return the view of a job whose directories are mounted, or of one that has the host's."""
        if mounted:
            return cls("/input", "/output", "/job", "/tmp")  # noqa: S108 - a mount of its own
        places = (workspace.input, workspace.output, workspace.job, workspace.tmp)
        return cls(*map(str, places))


class ScriptMissing(Exception):
    """The command names a script that is neither in the job's directory nor in its input."""


def resolve(
    spec: JobSpec, workspace: Workspace, view: View, python: str = sys.executable
) -> tuple[str, ...]:
    """Return program and arguments as they are executed where the job has that view.

    `python` and `python3` become the interpreter, by default the provider's own.  The script that
    follows, or a program given by its path, is looked for in the job's directory and in its
    input; a path below `/input` or `/job` means that directory, wherever it is.

    Parameters
    ----------
    python
        The interpreter; empty leaves the name to whoever executes it.

    Raises
    ------
    ScriptMissing
        A script is named that is in neither; the message says so.
    """
    program, *arguments = spec.command
    if program not in PYTHON_NAMES:
        return (_program(program, workspace, view), *arguments)
    position = _script_position(arguments)
    if position is not None:
        arguments[position] = _script(arguments[position], workspace, view)
    return (python or program, *arguments)


def environment(spec: JobSpec, view: View) -> dict[str, str]:
    """Return a job's whole environment; nothing of the provider's own is in it."""
    path = {"PATH": f"{os.path.dirname(sys.executable)}:{SYSTEM_PATH}"}
    return path | added_environment(spec, view)


def added_environment(spec: JobSpec, view: View) -> dict[str, str]:
    """Return what a job's environment has wherever it runs; where programs are is not in it."""
    given = {"LANG": "C.UTF-8", "HOME": view.job, "TMPDIR": view.tmp}
    ours = {
        "JOB_ID": spec.job_id,
        "INPUT_DIR": view.input,
        "OUTPUT_DIR": view.output,
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


def _script(name: str, workspace: Workspace, view: View) -> str:
    found = _look(name, workspace, view)
    if found is None:
        raise ScriptMissing(
            f"command: the script {name[:200]!r} is neither in the job's directory nor in its "
            "input; send it in `files` or in the input."
        )
    return found


def _program(name: str, workspace: Workspace, view: View) -> str:
    if "/" not in name:
        return name
    return _look(name, workspace, view) or name


def _look(name: str, workspace: Workspace, view: View) -> str | None:
    """Return where the job finds the file or directory of that name, if it is there."""
    own = ((workspace.job, view.job), (workspace.input, view.input))
    for mount, (directory, seen) in zip(("/job/", "/input/"), own, strict=True):
        if name.startswith(mount):
            below = name.removeprefix(mount)
            if _there(directory, below):
                return os.path.join(seen, below)
            return None if mount == f"{seen}/" else _elsewhere(name, view)
    for directory, seen in own:
        if _there(directory, name):
            return os.path.join(seen, name)
    return _elsewhere(name, view) if os.path.isabs(name) else None


def _there(directory: os.PathLike[str], name: str) -> bool:
    """Whether the job's file is there; os.path, because no name is an error there."""
    return not os.path.isabs(name) and os.path.lexists(os.path.join(directory, name))


def _elsewhere(name: str, view: View) -> str | None:
    """Return a path of the host's; of a job that has a view of its own, the host knows little."""
    return name if view.job == "/job" or os.path.exists(name) else None
