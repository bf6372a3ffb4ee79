"""The outputs a job left, taken from a directory in which nothing can be believed."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from node3nb.errors import OutputLimitError
from node3nb.files.archives import Source, pack
from node3nb.files.beneath import (
    DIRECTORY,
    OWN_DIRECTORY,
    make_accessible,
    open_beneath,
    unsafe_name,
)
from node3nb.job_checks import printable
from node3nb.jobs import GIB, MIB, OutputFile

_SHOWN_CHARS = 200
_BLOCK = 512
_KINDS = {
    stat.S_IFLNK: "it is a symbolic link",
    stat.S_IFIFO: "it is a FIFO",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFBLK: "it is a device",
    stat.S_IFCHR: "it is a device",
}


@dataclass(frozen=True, slots=True)
class CollectLimits:
    """What may be kept of a job's outputs."""

    #: Regular files.
    files: int = 10_000
    #: Bytes of all files together, as their sizes say.
    bytes: int = 4 * GIB
    #: Entries looked at, whatever they are.
    entries: int = 100_000
    #: Bytes of all kept files' paths together: every one of them is told in the result.
    path_bytes: int = 16 * MIB
    #: Names on the way from the output directory to a file, its own included.
    depth: int = 32


@dataclass(frozen=True, slots=True)
class Refused:
    """Something in the output directory that is not kept."""

    #: Its path below the output directory, in an inert rendering.
    path: str
    #: Why, as a clause.
    why: str


@dataclass(frozen=True, slots=True)
class Collected:
    """A job's outputs."""

    #: What is kept, in the order of the paths.
    files: tuple[OutputFile, ...]
    #: What is not.
    refused: tuple[Refused, ...]
    #: The archive of `files`; None when none was asked for.
    archive: Path | None = None
    #: SHA-256 of the archive, in hex; empty when there is none.
    archive_sha256: str = ""
    #: Size of the archive.
    archive_bytes: int = 0


def collect(
    output_dir: Path, limits: CollectLimits | None = None, archive: Path | None = None
) -> Collected:
    """Hash a job's output files, and pack them when `archive` says where.

    Only to be called when the job's whole tree is dead.  Should something still write, a file is
    kept as it was at one time or refused; nothing outside `output_dir` is ever read.

    Parameters
    ----------
    archive
        Where the tar.gz goes, outside `output_dir`; None only hashes.

    Raises
    ------
    OutputLimitError
        There are more files, bytes or entries than `limits` allow.
    OSError
        The archive can't be written.
    """
    walk = _Walk(limits or CollectLimits())
    with contextlib.closing(walk.sources(output_dir)) as sources:
        packed = pack(sources, archive)
    for path, why in packed.unreadable:
        walk.refuse(path, why)
    return Collected(packed.files, tuple(walk.refused), archive, packed.sha256, packed.bytes)


class _OddError(Exception):
    """Something is not kept; the text is a clause that says why."""


class _Walk:
    """One walk over an output directory: depth first, sorted, never through a link."""

    def __init__(self, limits: CollectLimits) -> None:
        self._limits = limits
        self._device = -1
        self._entries = 0
        self._files = 0
        self._bytes = 0
        self._path_bytes = 0
        self.refused: list[Refused] = []

    def refuse(self, path: str, why: str) -> None:
        self.refused.append(Refused(printable(path, _SHOWN_CHARS), why))

    def sources(self, output_dir: Path) -> Generator[Source, None, None]:
        """Yield every acceptable file, open until the next one is asked for."""
        try:
            top = _open_top(output_dir)
            try:
                self._device = os.fstat(top).st_dev
                yield from self._directory(top, "", 1)
            finally:
                os.close(top)
        except OSError as error:
            self.refuse(".", f"the output directory can't be read ({error.strerror})")

    def _directory(self, directory: int, prefix: str, depth: int) -> Iterator[Source]:
        for name in self._names(directory):
            try:
                yield from self._visit(directory, name, prefix + name, depth)
            except _OddError as odd:
                self.refuse(prefix + name, str(odd))
            except OSError as error:
                self.refuse(prefix + name, f"it can't be read ({error.strerror})")

    def _names(self, directory: int) -> list[str]:
        """Return a directory's names so that paths come sorted as strings."""
        names = []
        with os.scandir(directory) as entries:
            for entry in entries:
                self._count_entry()
                names.append((entry.name + "/" * entry.is_dir(follow_symlinks=False), entry.name))
        return [name for _, name in sorted(names)]

    def _visit(self, directory: int, name: str, path: str, depth: int) -> Iterator[Source]:
        if why := unsafe_name(name):
            raise _OddError(why)
        info = os.stat(name, dir_fd=directory, follow_symlinks=False)
        is_directory = stat.S_ISDIR(info.st_mode)
        if not is_directory and not stat.S_ISREG(info.st_mode):
            raise _OddError(_KINDS.get(stat.S_IFMT(info.st_mode), "it is no regular file"))
        if is_directory and depth >= self._limits.depth:
            raise _OddError(f"it is more than {self._limits.depth} directories deep")
        descriptor = self._open(directory, name, info)
        try:
            if is_directory:
                yield from self._directory(descriptor, f"{path}/", depth + 1)
            else:
                yield self._accept(path, descriptor)
        finally:
            os.close(descriptor)

    def _open(self, directory: int, name: str, info: os.stat_result) -> int:
        """Open what `info` describes, and nothing else."""
        needed = 0o500 if stat.S_ISDIR(info.st_mode) else 0o400
        if info.st_mode & needed != needed and info.st_uid == os.geteuid():
            make_accessible(directory, name, stat.S_IMODE(info.st_mode) | needed)
        descriptor = open_beneath(directory, name, os.O_RDONLY)
        found = os.fstat(descriptor)
        if not os.path.samestat(found, info) or found.st_dev != self._device:
            os.close(descriptor)
            raise _OddError("it was changed while it was collected, or is on another file system")
        return descriptor

    def _accept(self, path: str, descriptor: int) -> Source:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise _OddError("it was changed while it was collected")
        if info.st_nlink != 1:
            raise _OddError(f"it has {info.st_nlink} hard links")
        self._count_file(info)
        self._count_path(path)
        return Source(path, descriptor, info)

    def _count_entry(self) -> None:
        self._entries += 1
        if self._entries > self._limits.entries:
            raise OutputLimitError(
                f"output: there are {self._entries} entries or more and {self._limits.entries} "
                "are looked at; write fewer."
            )

    def _count_file(self, info: os.stat_result) -> None:
        """Take a file into account; only one that is mostly a hole is refused for its size."""
        size = self._bytes + info.st_size
        if size > self._limits.bytes:
            if info.st_blocks * _BLOCK < info.st_size // 2:
                raise _OddError(
                    f"it claims {info.st_size} bytes and has {info.st_blocks * _BLOCK} on disk"
                )
            raise OutputLimitError(
                f"output: the files have {size} bytes or more and {self._limits.bytes} are "
                "allowed; write smaller files."
            )
        self._bytes, self._files = size, self._files + 1
        if self._files > self._limits.files:
            raise OutputLimitError(
                f"output: there are {self._files} files or more and {self._limits.files} are "
                "allowed; write fewer, or pack them into one."
            )

    def _count_path(self, path: str) -> None:
        self._path_bytes += len(path.encode())
        if self._path_bytes > self._limits.path_bytes:
            raise OutputLimitError(
                f"output: the paths have more than the {self._limits.path_bytes} bytes allowed "
                "together; use shorter names, or pack the files into one."
            )


def _open_top(output_dir: Path) -> int:
    """Open the output directory itself, which the job may have locked or replaced."""
    parent = os.open(output_dir.parent, OWN_DIRECTORY)
    try:
        info = os.stat(output_dir.name, dir_fd=parent, follow_symlinks=False)
        if info.st_mode & 0o500 != 0o500 and info.st_uid == os.geteuid():
            make_accessible(parent, output_dir.name, stat.S_IMODE(info.st_mode) | 0o500)
        return os.open(output_dir.name, DIRECTORY, dir_fd=parent)
    finally:
        os.close(parent)
