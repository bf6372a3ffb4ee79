"""A Python program as the command line names it: its `__main__` module and its code."""

from __future__ import annotations

import io
import linecache
import os
import sys
import zipimport
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import BuiltinImporter, SourceFileLoader
from importlib.util import MAGIC_NUMBER
from runpy import _run_module_as_main  # type: ignore[attr-defined]
from types import CodeType, ModuleType

#: Name of the code of `python -c` (`pymain_run_command`, Modules/main.c).
COMMAND_NAME = "<string>"
#: The first Python whose tracebacks show lines of that code.
SHOWS_COMMAND = (3, 13)
#: What starts a compiled file (`maybe_pyc_file`, Python/pythonrun.c).
COMPILED_START = MAGIC_NUMBER[:2]


class NeedsInterpreter(Exception):
    """Only an interpreter of its own runs this program as it should be run."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program ready to be executed."""

    #: What becomes `sys.argv`.
    argv: list[str]
    #: What comes first in `sys.path`.
    path: str
    #: The module it runs in.
    main: ModuleType
    #: Its code, or the name of the module that `runpy` looks up.
    code: CodeType | str
    #: What compiling it printed to standard error.
    warnings: str = ""

    def start(self) -> tuple[Callable[..., object], CodeType | str, object]:
        """Return what to call, with its two arguments, to execute the program."""
        if isinstance(self.code, str):
            return _run_module_as_main, self.code, True
        return exec, self.code, self.main.__dict__


def find(arguments: list[str]) -> Program:
    """Return the program that `python ARGUMENTS` runs.

    Raises
    ------
    NeedsInterpreter
        It can't be read or compiled, or is no plain source: the interpreter finds the words
        for what is wrong, or knows how to run it.
    """
    if arguments[0] == "-c":
        return _command(arguments)
    if arguments[0] == "-m":
        return Program(["-m", *arguments[2:]], os.getcwd(), _main(BuiltinImporter), arguments[1])
    return _script(arguments)


def _command(arguments: list[str]) -> Program:
    code, warnings = _compile(arguments[1], COMMAND_NAME)
    if sys.version_info >= SHOWS_COMMAND:
        lines = arguments[1].splitlines(keepends=True)
        linecache.cache[COMMAND_NAME] = (len(arguments[1]), None, lines, COMMAND_NAME)
    return Program(["-c", *arguments[2:]], "", _main(BuiltinImporter), code, warnings)


def _script(arguments: list[str]) -> Program:
    file = os.path.join(os.getcwd(), arguments[0])
    code, warnings = _compile(_read(file), file)
    main = _main(SourceFileLoader("__main__", file))
    main.__dict__.update(__file__=file, __cached__=None)
    return Program(arguments, os.path.dirname(os.path.realpath(file)), main, code, warnings)


def _read(file: str) -> bytes:
    """Return a script's source, in the encoding it has."""
    try:
        with open(file, "rb") as script:
            source = script.read()
    except OSError as error:
        raise NeedsInterpreter from error
    if file.endswith(".pyc") or source.startswith(COMPILED_START) or _is_archive(file):
        raise NeedsInterpreter
    return source


def _is_archive(file: str) -> bool:
    """Tell whether Python would look for `__main__` in it: it may be a zip at its end only."""
    try:
        zipimport.zipimporter(file)
    except zipimport.ZipImportError:
        return False
    return True


def _compile(source: str | bytes, name: str) -> tuple[CodeType, str]:
    """Return the code and the warnings; those of a failure are the interpreter's to print."""
    shown, sys.stderr = sys.stderr, io.StringIO()
    try:
        return compile(source, name, "exec", dont_inherit=True), sys.stderr.getvalue()
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise NeedsInterpreter from error
    finally:
        sys.stderr = shown


def _main(loader: object) -> ModuleType:
    """Return an empty `__main__`, as `add_main_module` of Python/pylifecycle.c makes it."""
    main = ModuleType("__main__")
    main.__dict__["__loader__"] = loader
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    return main
