"""Runs a Python program in an interpreter that has started already, as `python ...` would.

What can't be mended in a forked interpreter (`sys.flags`, the hash seed, what the C library has
read from the environment) is left to commands that `wants` turns down: they get an interpreter
of their own.  So does, at the last moment, a program that `run` finds to need one.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.machinery import all_suffixes
from itertools import takewhile
from typing import NoReturn

from node3nb.supervisor.warm import ending, gaps, renewal, stdio
from node3nb.supervisor.warm.program import NeedsInterpreter, Program, find

#: The locale a warm interpreter was started in, and the only one it can offer.
LOCALE = "C.UTF-8"
#: Start of variables that Python or the C library reads when a program starts.
READ_AT_START = ("PYTHON", "LD_", "LC_", "MALLOC_", "GLIBC_")
#: Start of variables that numerical libraries read when they are loaded.
READ_WHEN_LOADED = (
    "BLIS_",
    "GOTO_",
    "KMP_",
    "MKL_",
    "NPY_",
    "NUMEXPR_",
    "NUMPY_",
    "OMP_",
    "OPENBLAS_",
    "OPENSSL_",
    "VECLIB_",
)
#: Options after which the program stands, each with its own argument.
OPTIONS = frozenset({"-c", "-m"})
#: Frames of files named with these words are no place a warning is shown to come from
#: (`is_internal_frame`, Python/_warnings.c): none but the program's own are.
HIDDEN_FILE = "<importlib._bootstrap of a warm interpreter>"
#: How often to do ahead what forks do: after so many calls a function is as fast as it will be, and
#: is written to no more (`QUICKENING_WARMUP_DELAY` and `ADAPTIVE_CACHE_BACKOFF` of CPython 3.11).
REHEARSALS = 20
#: How the names of files end that can be imported.
SUFFIXES = tuple(all_suffixes())


@dataclass(frozen=True, slots=True)
class Baseline:
    """What `prepare` found and left: where every program starts from."""

    #: `sys.path` as an interpreter without a program has it.
    path: tuple[str, ...]
    #: Modules a bare interpreter has, which no file of a program can replace.
    bare: frozenset[str]
    #: Modules the warm interpreter has; a program that imports one of these gets it as it is.
    loaded: frozenset[str]
    #: Those that a bare interpreter has not.
    extra: frozenset[str]
    #: Our own, and the program that imported them: no program is to see these.
    ours: tuple[str, ...]


class _Unwinding(BaseException):
    """Takes the warm process's own frames off the stack."""


def wants(argv: tuple[str, ...], env: dict[str, str], python: str, preloaded: bool) -> bool:
    """Tell whether a command can run in a warm interpreter.

    Parameters
    ----------
    argv, env
        The command and its whole environment.
    python
        Path of the interpreter that is warm.
    preloaded
        Whether modules were loaded into it beside what every program needs.
    """
    read = READ_AT_START + READ_WHEN_LOADED * preloaded
    return (
        argv[0] == python
        and _names_program(argv[1:])
        and env.get("LANG") == LOCALE
        and not any(name.startswith(read) for name in env)
    )


def _names_program(arguments: tuple[str, ...]) -> bool:
    """Tell whether a script, or nothing but `-c CODE` or `-m MODULE`, comes first."""
    if not arguments or not arguments[0]:
        return False
    if arguments[0] in OPTIONS:
        return len(arguments) > 1
    return not arguments[0].startswith("-")


def prepare(preload: tuple[str, ...]) -> tuple[str, ...]:
    """Make this process one whose forks can `run` programs, once and before the first.

    The process must have been started as plain `python` in the locale C.UTF-8, have imported
    nothing before this package that programs might replace, and have taken back what it added
    to `sys.path`.

    Returns
    -------
    tuple of str
        Names from `preload` that could not be imported.
    """
    global _baseline  # noqa: PLW0603 - one interpreter, one baseline
    bare = frozenset(takewhile(lambda name: not _is_ours(name), sys.modules))
    path = tuple(sys.path)
    failed = tuple(name for name in preload if not _load(name))
    sys.path[:] = path
    loaded = frozenset(name for name in sys.modules if not _is_ours(name))
    ours = tuple(name for name in sys.modules if _is_ours(name) or name == "__main__")
    _baseline = Baseline(path, bare, loaded, loaded - bare, ours)
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    for _ in range(REHEARSALS):
        settle()
    gc.collect()
    gaps.fill()
    gc.freeze()
    return failed


_baseline = Baseline((), frozenset(), frozenset(), frozenset(), ())
#: Modules the program does not see any more; to free them would write to all their memory.
_kept: list[object] = []


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "node3nb"


def _load(name: str) -> bool:
    try:
        importlib.import_module(name)
    except (Exception, SystemExit):  # noqa: BLE001 - a stranger's module may raise anything
        return False
    return True


def settle() -> None:
    """Do ahead what a fork that waits for its program can do without knowing it.

    Beside an empty environment it leaves nothing behind but pages of memory that are this
    process's own already: the first write to each costs more than what is written.
    """
    renewal.renew({})
    with suppress(NeedsInterpreter):
        find([os.devnull])
    os.listdir(os.curdir)
    stdio.renew()


def run(argv: tuple[str, ...], env: dict[str, str]) -> NoReturn:
    """Become `python argv[1:]` in a freshly forked process.

    Its descriptors 0, 1, 2 and its working directory are already the program's.  To be called
    from the module level of the warm process, with no handler around it: an exception unwinds
    the stack down to the interpreter itself, which then enters the program through
    `sys.excepthook`, with one hidden frame of ours below it.

    Parameters
    ----------
    argv, env
        A command that `wants` accepted.
    """
    try:
        _become(argv, env)
    except NeedsInterpreter:
        os.execve(argv[0], argv, env)  # noqa: S606 - a list, never a shell
    raise _Unwinding


def _become(argv: tuple[str, ...], env: dict[str, str]) -> None:
    """Make everything the program sees of its interpreter its own, and it the next to run.

    Raises
    ------
    NeedsInterpreter
        The program can only run in an interpreter of its own.
    """
    renewal.renew(env)
    program = find(list(argv[1:]))
    if _is_replaced(program):
        raise NeedsInterpreter
    _install(program, list(argv))
    sys.excepthook = partial(_enter, [program])


def _install(program: Program, argv: list[str]) -> None:
    """Put a program in the place of the warm process's own."""
    stdio.renew()
    _kept.extend(sys.modules.pop(name) for name in _baseline.ours if name in sys.modules)
    sys.modules["__main__"] = program.main
    sys.orig_argv[:] = argv
    sys.argv[:] = program.argv
    sys.path[:] = [program.path, *_baseline.path]
    if program.warnings:
        sys.stderr.write(program.warnings)


def _is_replaced(program: Program) -> bool:
    """Tell whether a bare interpreter would import other modules than those loaded here."""
    if isinstance(program.code, str) and program.code in _baseline.extra:
        return True
    try:
        beside = os.listdir(program.path or os.curdir)
    except OSError:
        return False
    return any(name.partition(".")[0] in _baseline.extra for name in beside if _is_module(name))


def _is_module(name: str) -> bool:
    """Tell whether a file of this name, or a directory, can be imported."""
    return "." not in name or name.endswith(SUFFIXES)


def _enter(held: list[Program], *_: object) -> NoReturn:
    """Execute the program, with no other frame below this one, and end the process.

    Nothing here holds on to the program while it ends: what it made has to go then.
    """
    sys.excepthook = sys.__excepthook__
    ending.forget_exception()
    call, code, argument = held.pop().start()
    raised: list[BaseException] = []
    try:
        call(code, argument)
    except BaseException as error:  # noqa: BLE001 - whatever leaves a program ends it
        raised.append(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
    del call, code, argument
    ending.finish(raised, _baseline.loaded)


_enter.__code__ = _enter.__code__.replace(co_filename=HIDDEN_FILE)
