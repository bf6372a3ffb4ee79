"""Files one step below an open directory whose content a stranger chose.

Every function takes the descriptor of a directory and one name in it, never a path, and never
follows a link: with nothing to resolve there is nothing to trick.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import operator
import os
import stat
import struct
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path


def _flags(*names: str) -> int:
    """Return flags of open(2) together; Windows, where this module is only imported, lacks most."""
    return functools.reduce(operator.or_, (getattr(os, name, 0) for name in names))


#: How directories are opened: for reading, never through a link.
DIRECTORY = _flags("O_RDONLY", "O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC")
#: The same, for a directory of ours that may be reached through links.
OWN_DIRECTORY = _flags("O_RDONLY", "O_DIRECTORY", "O_CLOEXEC")
#: How files are made: for writing, only where nothing is yet.
NEW_FILE = _flags("O_WRONLY", "O_CREAT", "O_EXCL", "O_NOFOLLOW", "O_CLOEXEC")
#: How a file that a stranger may have put there is opened: no link followed, nothing waited for.
STRANGERS_FILE = _flags("O_RDONLY", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC")
#: Longest name of a file, in bytes, on every file system we meet.
MAX_NAME_BYTES = 255

_ALWAYS = _flags("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY")
#: The same on every architecture but alpha (Linux, scripts/syscall.tbl).
_OPENAT2 = 437
#: NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH (linux/openat2.h).
_RESOLVE = 0x01 | 0x02 | 0x04 | 0x08
#: Separators of lines and of paragraphs, controls, halves of characters.
_BAD_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
#: They reverse what a reader sees of the rest of a line (Unicode, UAX 9).
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def unsafe_name(name: str) -> str:
    """Return why a file's name can't be accepted from a stranger, as a clause, or "".

    Parameters
    ----------
    name
        One component of a path; bytes that are no UTF-8 as `os.fsdecode` gives them.
    """
    if name in {"", ".", ".."} or "/" in name:
        return "its name leads elsewhere"
    if any(unicodedata.category(char) in _BAD_CATEGORIES for char in name):
        return "its name holds control characters or is no valid UTF-8"
    if not _BIDIRECTIONAL.isdisjoint(name):
        return "its name holds characters that reverse text"
    if "\\" in name or (name[1:2] == ":" and name[0].isalpha()):
        return "its name is a path on other systems"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"its name is longer than {MAX_NAME_BYTES} bytes"
    return ""


def open_beneath(directory: int, name: str, flags: int) -> int:
    """Open one existing name of a directory, on the same file system where Linux can tell.

    Uses openat2(2), Linux 5.6; elsewhere, and where a sandbox hides it, openat(2) with
    O_NOFOLLOW, which for one component differs only in crossing mounts: callers compare `st_dev`.
    A FIFO or a device never blocks the call.

    Returns
    -------
    int
        A descriptor, the caller's to close.

    Raises
    ------
    OSError
        The name is gone, a link (ELOOP), on another file system (EXDEV) or not ours to read.
    """
    if name in {"", ".", ".."} or "/" in name:
        raise OSError(errno.EINVAL, "one name is needed", name)
    call = _openat2()
    if call is not None:
        descriptor = call(directory, os.fsencode(name), flags | _ALWAYS)
        if descriptor >= 0:
            return descriptor
        number = ctypes.get_errno()
        if number not in {errno.ENOSYS, errno.EPERM}:
            raise OSError(number, os.strerror(number), name)
    return os.open(name, flags | _ALWAYS, dir_fd=directory)


def open_path(root: int, parts: tuple[str, ...], flags: int) -> int:
    """Open a path below `root` name by name; other file systems below it are refused."""
    directory = os.dup(root)
    try:
        for part in parts[:-1]:
            below = open_beneath(directory, part, DIRECTORY)
            os.close(directory)
            directory = below
        return open_beneath(directory, parts[-1], flags)
    finally:
        os.close(directory)


def make_accessible(directory: int, name: str, mode: int) -> None:
    """Set the mode of a file or directory that its own mode keeps us from opening.

    On Linux the mode is set through a descriptor (open(2), O_PATH), as chmod there can't be told
    to leave links alone.

    Raises
    ------
    OSError
        It is a link, gone, or not ours; or /proc is not mounted.
    """
    if not hasattr(os, "O_PATH"):
        os.chmod(name, mode, dir_fd=directory, follow_symlinks=False)
        return
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        if stat.S_ISLNK(os.fstat(descriptor).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        Path("/proc/self/fd", str(descriptor)).chmod(mode)
    finally:
        os.close(descriptor)


@functools.cache
def _openat2() -> Callable[[int, bytes, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long

    def openat2(directory: int, name: bytes, flags: int) -> int:
        how = struct.pack("=QQQ", flags, 0, _RESOLVE)
        number, size = ctypes.c_long(_OPENAT2), ctypes.c_size_t(len(how))
        return int(syscall(number, directory, ctypes.c_char_p(name), ctypes.c_char_p(how), size))

    return openat2
