"""Landlock: rules on files, connections and signals that no process can take off (landlock(7))."""

from __future__ import annotations

import functools
import os
import stat
import struct

from node3nb.supervisor.kernel.calls import call

#: From linux/landlock.h.
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
#: A `struct landlock_path_beneath_attr`: rights and descriptor, packed.
_PATH_BENEATH = "=Qi"

#: Rights on files, `LANDLOCK_ACCESS_FS_*` of linux/landlock.h.
_EXECUTE = 1 << 0
_WRITE_FILE = 1 << 1
_READ_FILE = 1 << 2
_READ_DIR = 1 << 3
_MAKE_CHAR = 1 << 6
_MAKE_BLOCK = 1 << 11
_TRUNCATE = 1 << 14
_IOCTL_DEV = 1 << 15
#: How many of these rights each version knows; one not named knows as many as the one before.
_RIGHTS_KNOWN = {1: 13, 2: 14, 3: 15, 5: 16, 9: 17}
#: `LANDLOCK_ACCESS_NET_BIND_TCP` and `_CONNECT_TCP`, and the version they came with.
_TCP, _TCP_ABI = 0b11, 4
#: `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET` and `_SIGNAL`, and the version they came with.
_SCOPES, _SCOPES_ABI = 0b11, 6

#: What we give, made of those rights.
_READING = _READ_FILE | _READ_DIR
_EXECUTING = _READING | _EXECUTE
_WRITING = ~(_MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV)
_DEVICE = _READ_FILE | _WRITE_FILE | _IOCTL_DEV
#: Those that mean something for what is no directory.
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV


@functools.cache
def abi() -> int:
    """Return the version of Landlock that the kernel has; 0 for none."""
    try:
        return call("landlock_create_ruleset", None, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


class Ruleset:
    """What a process will be allowed; all else the kernel's Landlock knows is refused.

    A path that does not exist is passed over: there is nothing to allow.

    Parameters
    ----------
    deny_network
        Whether to refuse TCP, to listen and to connect, where Landlock can. Where it can (from
        version 6), signals and abstract sockets of others are refused in any case.

    Raises
    ------
    OSError
        There is no Landlock.
    """

    def __init__(self, *, deny_network: bool) -> None:
        version = abi()
        self._handled = (1 << _rights_known(version)) - 1
        attributes = struct.pack("=Q", self._handled)
        if version >= _TCP_ABI:
            attributes += struct.pack("=Q", _TCP if deny_network else 0)
        if version >= _SCOPES_ABI:
            attributes += struct.pack("=Q", _SCOPES)
        self._fd = call("landlock_create_ruleset", attributes, len(attributes), 0)

    def allow_reading(self, path: str) -> None:
        """Allow to read a file, or all files of a directory."""
        self._allow(path, _READING)

    def allow_executing(self, path: str) -> None:
        """Allow to read and to run programs."""
        self._allow(path, _EXECUTING)

    def allow_writing(self, path: str) -> None:
        """Allow what a working directory is for: all but making devices."""
        self._allow(path, _WRITING)

    def allow_device(self, path: str) -> None:
        """Allow to use a device."""
        self._allow(path, _DEVICE)

    def _allow(self, path: str, rights: int) -> None:
        try:
            fd = os.open(path, os.O_PATH)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            rights &= self._handled
            if not stat.S_ISDIR(os.fstat(fd).st_mode):
                rights &= _OF_A_FILE
            if rights:
                rule = struct.pack(_PATH_BENEATH, rights, fd)
                call("landlock_add_rule", self._fd, _RULE_PATH_BENEATH, rule, 0, subject=path)
        finally:
            os.close(fd)

    def enforce(self) -> None:
        """Put the rules on this thread and on all it will start, for good.

        Raises
        ------
        OSError
            `EPERM`: this process may still gain privileges (`linux.forbid_new_privileges`).
        """
        try:
            call("landlock_restrict_self", self._fd, 0)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the rules without having put them on."""
        os.close(self._fd)


def _rights_known(version: int) -> int:
    return max((n for since, n in _RIGHTS_KNOWN.items() if since <= version), default=0)
