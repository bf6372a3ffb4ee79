"""Where a letter is made: its job's place, held from before the job is taken."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import ClassVar

from node3nb.agent.letter import (
    MAX_ENVELOPE_BYTES,
    Envelope,
    Letter,
    LetterDamaged,
    LetterFromLater,
    read_envelope,
)

#: Bytes of disk reserved for a job's result: both logs as JSON writes them, and the outputs' names.
ROOM_BYTES = 1 << 20


class Place:
    """One directory in the making.

    Parameters
    ----------
    path
        Where it is; its name is the letter's behind a dot.
    """

    RESULT: ClassVar[str] = "result.json"
    ARCHIVE: ClassVar[str] = "outputs.tar.gz"
    #: There until the letter is sent for the first time, where a second time is refused.
    UNSENT: ClassVar[str] = "unsent"
    _HELD: ClassVar[str] = "held"
    _ROOM: ClassVar[str] = "room"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name.removeprefix(".")

    @property
    def held(self) -> bool:
        """Whether it is a job's, and not just what is left of a letter."""
        return (self.path / self._HELD).exists()

    def make(self) -> None:
        """Make the directory."""
        self.path.mkdir(mode=0o700)

    def hold(self, envelope: Envelope) -> None:
        """Reserve the room, and note whose job it is to be.

        Raises
        ------
        OSError
            There is no room.
        """
        with (self.path / self._ROOM).open("xb") as file:
            _allocate(file.fileno(), ROOM_BYTES)
        self.note(envelope)

    def note(self, envelope: Envelope) -> None:
        """Add what is known now; a second line takes the room of no second block."""
        with (self.path / self._HELD).open("ab") as file:
            file.write(envelope.to_line())

    def held_for(self) -> Envelope | None:
        """Return the last that was noted; None for nothing that can be read."""
        try:
            with (self.path / self._HELD).open("rb") as file:
                lines = file.read(MAX_ENVELOPE_BYTES).splitlines(keepends=True)
        except OSError:
            return None
        for line in reversed(lines):
            with contextlib.suppress(LetterDamaged, LetterFromLater):
                envelope = read_envelope(line)
                return envelope if envelope.name == self.name else None
        return None

    def sync(self) -> None:
        """Have the disk hold it."""
        sync(self.path / self._HELD)
        sync(self.path)

    def fill(self, letter: Letter, archive: Path | None) -> None:
        """Write the letter into the room that was reserved, beside the archive.

        Raises
        ------
        OSError
            It can't be written.
        """
        if archive is not None:
            archive.replace(self.path / self.ARCHIVE)
            sync(self.path / self.ARCHIVE)
        else:
            (self.path / self.ARCHIVE).unlink(missing_ok=True)
        self._write(letter)
        (self.path / self._ROOM).replace(self.path / self.RESULT)
        if letter.lease_id is None:
            # A name that is given up needs no room: the disk may be full when the letter goes.
            with contextlib.suppress(FileNotFoundError):
                (self.path / self._HELD).replace(self.path / self.UNSENT)
        else:
            (self.path / self._HELD).unlink(missing_ok=True)
        sync(self.path)

    def _write(self, letter: Letter) -> None:
        content = letter.to_bytes()
        fd = os.open(self.path / self._ROOM, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            written = 0
            while written < len(content):
                written += os.pwrite(fd, content[written:], written)
            os.ftruncate(fd, len(content))
            os.fsync(fd)
        finally:
            os.close(fd)


def _allocate(fd: int, size: int) -> None:
    """Reserve blocks; a file system that can't is written to."""
    if not hasattr(os, "posix_fallocate"):
        os.truncate(fd, size)
        return
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:
            raise
        os.truncate(fd, size)


def sync(path: Path) -> None:
    """Have the disk hold what was written; a system that can't sync a directory is let be."""
    with contextlib.suppress(PermissionError):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
