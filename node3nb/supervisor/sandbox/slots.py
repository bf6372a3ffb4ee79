"""Users that stand for no account, one for each job of a provider that runs as root.

A slot is held by a lock on a file, so that two providers never give out the same one and a
holder that is killed gives it back.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import pwd
import signal
import stat
import time
from collections.abc import Iterator

from node3nb.files.beneath import DIRECTORY
from node3nb.supervisor import proc
from node3nb.supervisor.disk import MAX_DEPTH

#: The beginning of systemd's range for dynamic users, which distributions give to no account
#: (systemd.io/UIDS-GIDS).
UIDS = range(61184, 61184 + 256)
#: Where the locks are; emptied at every boot (file-hierarchy(7)).
LOCKS = "/run/node3nb"
#: Where systemd notes which of its range it uses.
SYSTEMD_USERS = "/run/systemd/dynamic-uid"
#: Seconds that a user's processes get to be gone once they are killed, and between two looks.
PATIENCE_S, PAUSE_S = 2.0, 0.002
#: What a lock's file says: given out, given back with nothing left, not ours to give.
_TAKEN, _EMPTY, _FOREIGN = b"t", b"e", b"f"
_LOCK_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Slot:
    """A user that is the holder's until it is released or every holder has ended.

    The lock hangs on the open file: a child that is forked shares it and keeps it for as long as
    it leaves the descriptor open, a program that is executed does not get it.  So the keeper of
    a job leaves it open in nobody but itself.

    Attributes
    ----------
    uid
        The user, and the group of the same number.
    """

    def __init__(self, uid: int, lock: int) -> None:
        self.uid = uid
        self._lock = lock

    @property
    def is_known_empty(self) -> bool:
        """Whether its last holder gave it back with no process left."""
        return os.pread(self._lock, 1, 0) == _EMPTY

    @property
    def is_left_over(self) -> bool:
        """Whether its last holder has ended without giving it back."""
        return os.pread(self._lock, 1, 0) == _TAKEN

    def mark(self, state: bytes) -> None:
        """Note for the next holder what is known of the user."""
        os.pwrite(self._lock, state, 0)

    def let_go(self) -> None:
        """Close the lock's file in a process that is no holder."""
        os.close(self._lock)

    def release(self, state: bytes = _EMPTY) -> None:
        """Give the slot back, whoever else still has the lock's file open.

        To be called once no process of the user is left.
        """
        self.mark(state)
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        os.close(self._lock)

    def leave(self) -> None:
        """Give the slot back although processes of the user may live: the next holder looks."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        os.close(self._lock)


def take(locks: str = LOCKS) -> Slot | None:
    """Return a slot that nobody holds and whose user has no process; None when there is none.

    Parameters
    ----------
    locks
        Directory of the locks; made for root alone.

    Returns
    -------
    Slot or None
        None too for every user but root, and where the directory can't be had.
    """
    with contextlib.suppress(OSError), _open_locks(locks) as directory:
        for uid in UIDS:
            slot = _locked(directory, uid)
            if slot is None:
                continue
            if slot.is_known_empty or (empty(uid) and not _has_account(uid)):
                slot.mark(_TAKEN)
                return slot
            slot.release(_FOREIGN)
    return None


def empty(uid: int) -> bool:
    """Return whether no process has this user, in whichever of its roles."""
    return uid not in _users()


def sweep(locks: str = LOCKS) -> list[int]:
    """Kill what is left of jobs whose slots nobody holds any more.

    Only slots that were given out since the machine was started are looked at.

    Returns
    -------
    list
        Users whose processes were killed.
    """
    swept: list[int] = []
    with contextlib.suppress(OSError), _open_locks(locks) as directory:
        given_out = {int(name) for name in os.listdir(directory) if name.isdigit()}
        for uid in sorted(given_out & _users() & set(UIDS)):
            slot = None if _has_account(uid) else _locked(directory, uid)
            if slot is None:
                continue
            if slot.is_left_over:
                _kill_all(uid)
                swept.append(uid)
                slot.release()
            else:
                slot.release(_FOREIGN)
    return swept


@contextlib.contextmanager
def _open_locks(path: str) -> Iterator[int]:
    """Yield the directory of the locks, which only root may enter.

    Raises
    ------
    PermissionError
        This is not root, or the directory is somebody else's.
    """
    if os.geteuid():
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, stat.S_IRWXU)
    directory = os.open(path, DIRECTORY)
    try:
        if os.fstat(directory).st_uid:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)
        os.fchmod(directory, stat.S_IRWXU)
        yield directory
    finally:
        os.close(directory)


def own(paths: tuple[str, ...], uid: int) -> None:
    """Give trees to a user and the group of the same number.

    Links themselves are given, never what they lead to; what has more than one name, and what
    is on another file system than its root, is left as it is: it may be somebody else's.

    Raises
    ------
    OSError
        A root is no directory, or directories lie deeper in each other than `MAX_DEPTH`.
    """
    for path in paths:
        root = os.open(path, DIRECTORY)
        try:
            _own_directory(root, uid, os.fstat(root).st_dev, MAX_DEPTH)
        finally:
            os.close(root)


def _own_directory(directory: int, uid: int, device: int, depth: int) -> None:
    """Give a directory and all below it."""
    if depth < 0:
        raise OSError(errno.ELOOP, f"directories lie deeper than {MAX_DEPTH}")
    with os.scandir(directory) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if status.st_dev != device:
                continue
            if stat.S_ISDIR(status.st_mode):
                _own_below(directory, entry.name, uid, device, depth - 1)
            elif status.st_nlink == 1:
                os.chown(entry.name, uid, uid, dir_fd=directory, follow_symlinks=False)
    os.fchown(directory, uid, uid)


def _own_below(parent: int, name: str, uid: int, device: int, depth: int) -> None:
    directory = os.open(name, DIRECTORY, dir_fd=parent)
    try:
        _own_directory(directory, uid, device, depth)
    finally:
        os.close(directory)


def _locked(directory: int, uid: int) -> Slot | None:
    """Return the slot if nobody holds it."""
    lock = os.open(str(uid), _LOCK_FILE, 0o600, dir_fd=directory)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return Slot(uid, lock)


def _has_account(uid: int) -> bool:
    """Return whether the number is somebody else's: a person's, a group's or a service's."""
    for find in (pwd.getpwuid, grp.getgrgid):
        with contextlib.suppress(KeyError):
            find(uid)
            return True
    return os.path.lexists(f"{SYSTEMD_USERS}/{uid}")


def _users() -> set[int]:
    """Return every user that some process is: real, effective, saved, or for files."""
    users: set[int] = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                users |= _users_of(proc.read(f"/proc/{name}/status"))
    return users


def _users_of(status: bytes) -> set[int]:
    line = next(line for line in status.splitlines() if line.startswith(b"Uid:"))
    return set(map(int, line.split()[1:]))


def _kill_all(uid: int) -> None:
    """Kill the processes of a user until there are none, for `PATIENCE_S` at the most."""
    until = time.monotonic() + PATIENCE_S
    while not empty(uid) and time.monotonic() < until:
        _kill_as(uid)
        time.sleep(PAUSE_S)


def _kill_as(uid: int) -> None:
    """Become the user in a process of our own and kill all that it may, which is the user's."""
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
