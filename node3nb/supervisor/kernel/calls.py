"""System calls by name, for those that Python has no function for."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from collections.abc import Callable

from node3nb.supervisor.kernel.syscall_numbers import numbers

#: What a system call takes: a number, the bytes behind a pointer, or a null pointer.
Argument = int | bytes | None

#: Numbers of this machine's system calls; empty where we know none.
NUMBERS = numbers(os.uname().machine) if os.uname().sysname == "Linux" else {}


def call(name: str, *arguments: Argument, subject: str = "") -> int:
    """Make a system call.

    Parameters
    ----------
    name
        Name of the call, as in section 2 of the manual.
    arguments
        What it takes; bytes are handed over as a pointer to them and are not to be written to.
    subject
        What it is done to, for the error message.

    Returns
    -------
    int
        What the kernel answers.

    Raises
    ------
    OSError
        The kernel refuses (`ENOSYS` also on a machine whose numbers we do not know); its file
        name is the call's name and subject.
    """
    told = f"{name} {subject}".rstrip()
    number = NUMBERS.get(name)
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), told)
    answer = _syscall()(ctypes.c_long(number), *map(_argument, arguments))
    if answer == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), told)
    return answer


@functools.cache
def _syscall() -> Callable[..., int]:
    function = ctypes.CDLL(None, use_errno=True).syscall
    function.restype = ctypes.c_long
    return function


def _argument(value: Argument) -> ctypes.c_long | bytes | None:
    return ctypes.c_long(value) if isinstance(value, int) else value
