"""Objects of System V and POSIX IPC with a secret in them, made for attacks to find."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform

#: From linux/ipc.h.
IPC_CREAT, IPC_EXCL, IPC_RMID = 0o1000, 0o2000, 0
#: Numbers of mq_open, mq_unlink and mq_timedsend (scripts/syscall.tbl).
QUEUES = {"x86_64": (240, 241, 242), "aarch64": (180, 181, 182)}[platform.machine()]
SIZE = 4096
_libc = ctypes.CDLL(None, use_errno=True)
_libc.shmat.restype = ctypes.c_void_p


class SystemV:
    """A segment of shared memory that everybody may read."""

    def __init__(self, key: int, secret: str) -> None:
        self.key = key
        self._id = _libc.shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0o666)
        if self._id < 0:
            raise OSError(ctypes.get_errno(), "shmget")
        ctypes.memmove(_libc.shmat(self._id, None, 0), secret.encode() + b"\0", len(secret) + 1)

    def close(self) -> None:
        _libc.shmctl(self._id, IPC_RMID, None)


class Queue:
    """A message queue that everybody may read; not there where the kernel has none."""

    def __init__(self, name: str, secret: str) -> None:
        self.name = name
        queue = self._call(QUEUES[0], os.O_CREAT | os.O_RDWR, 0o666, None)
        if queue >= 0:
            _libc.syscall(QUEUES[2], queue, secret.encode(), len(secret), 0, None)
            with contextlib.suppress(OSError):
                os.close(queue)

    def close(self) -> None:
        self._call(QUEUES[1])

    def _call(self, number: int, *arguments: object) -> int:
        return int(_libc.syscall(number, self.name.encode(), *arguments))
