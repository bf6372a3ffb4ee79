"""The end of a program as Python ends it, without taking the interpreter apart.

Follows `Py_FinalizeEx` and `pymain_run_python` of CPython: threads, exit functions, streams,
modules, streams again. What is left of the interpreter is the kernel's to free.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import os
import signal
import sys
import weakref
from collections.abc import Collection
from types import ModuleType
from typing import Any, NoReturn

#: Exit code of a Python that could not flush its streams (`Py_RunMain`).
FLUSH_FAILED = 120
#: What Python calls a standard output it can't flush, where that is not by its object.
FLUSHING = (None, "Exception ignored on flushing sys.stdout") * (sys.version_info >= (3, 13))
#: What `sys` keeps of the last uncaught exception.
LAST = ("last_type", "last_value", "last_traceback", "last_exc")
_C_LIBRARY = ctypes.CDLL(None)


def finish(raised: list[BaseException], loaded: Collection[str]) -> NoReturn:
    """End this process as Python ends a program.

    Parameters
    ----------
    raised
        The exception that left the program, if one did; emptied, so that what it holds is
        freed when Python would free it.
    loaded
        Names of the modules that the program did not load itself.
    """
    interrupted = bool(raised) and type(raised[0]) is KeyboardInterrupt
    code = _report(raised.pop()) if raised else 0
    _join_threads()
    atexit._run_exitfuncs()  # noqa: SLF001
    flushed = _flush()
    _let_go(loaded)
    _write_out()
    _C_LIBRARY.fflush(None)
    if interrupted:
        _die_of_interrupt()
    os._exit(code & 0xFF if flushed else FLUSH_FAILED)


def _report(error: BaseException) -> int:
    """Show the exception a program ended with, and return the exit code it means."""
    if isinstance(error, SystemExit):
        return _exit_code(error)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except SystemExit as leaving:
        return _exit_code(leaving)
    except BaseException as failure:  # noqa: BLE001 - a program's hook may raise anything
        _report_hook(failure, error)
    return 1


def _exit_code(leaving: SystemExit) -> int:
    """Return what `sys.exit` was called with as a number; a text is printed and means 1."""
    if leaving.code is None:
        return 0
    if isinstance(leaving.code, int):
        fits = -(1 << 63) <= leaving.code < 1 << 63
        return leaving.code if fits else -1
    _say(leaving.code)
    return 1


def _say(words: object) -> None:
    """Write a line to standard error, without the words where they can't be written."""
    for text in (words, "\n"):
        with contextlib.suppress(Exception):
            _write_error(str(text))


def _write_error(text: str) -> None:
    """Write to `sys.stderr`, or past it where a program has put None."""
    if sys.stderr is None:
        os.write(2, text.encode(errors="backslashreplace"))
    else:
        sys.stderr.write(text)


def _report_hook(failure: BaseException, error: BaseException) -> None:
    """Show that a program's own `sys.excepthook` failed, and what it was called for."""
    failure = failure.with_traceback(failure.__traceback__ and failure.__traceback__.tb_next)
    _say("Error in sys.excepthook:")
    sys.__excepthook__(type(failure), failure, failure.__traceback__)
    _say("\nOriginal exception was:")
    sys.__excepthook__(type(error), error, error.__traceback__)


def _join_threads() -> None:
    threading = sys.modules.get("threading")
    if threading is None:
        return
    try:
        threading._shutdown()  # noqa: SLF001
    except BaseException as error:  # noqa: BLE001 - an interrupt while threads are waited for
        traceback = error.__traceback__ and error.__traceback__.tb_next
        _unraisable(error.with_traceback(traceback), threading)


def _unraisable(error: BaseException, where: object, words: str | None = None) -> None:
    """Show an exception that has nobody to go to."""
    arguments = (type(error), error, error.__traceback__, words, where)
    sys.unraisablehook(_UNRAISABLE(arguments))


def _unraisable_type() -> Any:
    """Return the type `sys.unraisablehook` insists on, which has no public name."""
    seen: list[object] = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda arguments: seen.append(type(arguments))
    try:
        _Unheard()
    finally:
        sys.unraisablehook = hook
    return seen[0]


class _Unheard:
    """Fails when it is freed, where nobody can be told."""

    def __del__(self) -> None:
        raise ValueError


_UNRAISABLE = _unraisable_type()


def _flush() -> bool:
    """Flush the standard streams, and tell whether that went well (`flush_std_files`)."""
    flushed = True
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name, None)
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except BaseException as error:  # noqa: BLE001 - a program may have put anything there
            flushed = False
            if name == "stdout":
                _unraisable(error.with_traceback(None), *FLUSHING or (stream,))
    return flushed


def _write_out() -> None:
    """Write what finalizers printed; Python tells nobody any more if that fails."""
    for stream in (sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(Exception):
            stream.flush()  # type: ignore[union-attr]


def _let_go(loaded: Collection[str]) -> None:
    """Free what the program made (`finalize_modules`): finalizers run, files are flushed."""
    forget_exception()
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
    alive = _forget_modules(loaded)
    gc.collect()
    for reference in reversed(alive):
        if (module := reference()) is not None:
            _clear(module)


def forget_exception() -> None:
    """Let go of the last uncaught exception."""
    for name in LAST:
        vars(sys).pop(name, None)


def _forget_modules(loaded: Collection[str]) -> list[weakref.ref[ModuleType]]:
    """Take the program's own modules away, and return those that something else holds."""
    names = [name for name in sys.modules if name == "__main__" or name not in loaded]
    modules = [sys.modules.pop(name) for name in names]
    return [weakref.ref(module) for module in modules if isinstance(module, ModuleType)]


def _clear(module: ModuleType) -> None:
    """Set a module's names to None, private ones first (`_PyModule_ClearDict`)."""
    names = [name for name in module.__dict__ if name != "__builtins__"]
    for name in sorted(names, key=lambda name: not _is_private(name)):
        module.__dict__[name] = None


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _die_of_interrupt() -> None:
    """Die of SIGINT, so that a shell sees it was one (`exit_sigint`)."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
