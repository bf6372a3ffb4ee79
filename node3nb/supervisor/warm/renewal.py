"""What a Python has just read, drawn or set when it starts, done anew in a forked one."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # plain numbers, not an enumeration to be made
import gc
import os
import signal
import site
import sys
import time
from os import environ

#: What Python ignores from its start (`_Py_RestoreSignals` undoes it, Python/pylifecycle.c).
IGNORED = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
#: Signals nobody can handle.
FIXED = frozenset({signal.SIGKILL, signal.SIGSTOP})
#: Every other signal, with what becomes of it when Python starts.
FIRST_HANDLERS: dict[int, signal._HANDLER] = {
    **dict.fromkeys(map(int, signal.valid_signals() - FIXED), _signal.SIG_DFL),
    **dict.fromkeys(map(int, IGNORED), _signal.SIG_IGN),
    int(signal.SIGINT): signal.default_int_handler,
}
AUTHENTICATION_KEY_BYTES = 32  # as multiprocessing.process.current_process() draws it


def renew(env: dict[str, str]) -> None:
    """Make this freshly forked process one that has just started with this environment."""
    _environment(env)
    _signals()
    _randomness()
    if threading := sys.modules.get("threading"):
        threading.main_thread()._set_native_id()  # noqa: SLF001
    gc.enable()


def _environment(env: dict[str, str]) -> None:
    """Replace the environment, the C library's too, and what was read from it at the start."""
    environ.clear()
    environ.update(env)
    time.tzset()
    site.USER_BASE = site.USER_SITE = None
    site.getusersitepackages()


def _signals() -> None:
    """Leave no handler, no blocked signal and no wake-up descriptor of the warm process."""
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number, handler in FIRST_HANDLERS.items():
        if _signal.getsignal(number) != handler:
            _signal.signal(number, handler)


def _randomness() -> None:
    """Draw anew what loaded modules drew once; OpenSSL sees a fork by itself (RAND(7))."""
    if random := sys.modules.get("random"):
        random.seed()
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed()
    if tempfile := sys.modules.get("tempfile"):
        tempfile._name_sequence = tempfile.tempdir = None  # type: ignore[attr-defined]  # noqa: SLF001
    if uuid := sys.modules.get("uuid"):
        uuid._last_timestamp = None  # type: ignore[attr-defined]  # noqa: SLF001
    if process := sys.modules.get("multiprocessing.process"):
        process.current_process().authkey = os.urandom(AUTHENTICATION_KEY_BYTES)
