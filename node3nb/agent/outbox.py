"""Results not yet delivered, on disk: a result survives the network and the kernel."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from pathlib import Path

from node3nb.agent.claims import Claims
from node3nb.agent.letter import Letter, from_json
from node3nb.files.removal import remove_tree

#: Seconds a letter is kept that nobody could deliver: a month.
KEPT_S = 30 * 86_400.0
_RESULT, _ARCHIVE = "result.json", "outputs.tar.gz"


class Outbox:
    """A directory of letters, each in a directory of its own.

    Several providers of one owner may share it; each letter is one thread's at a time.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._claims = Claims()
        self._unkept: dict[str, Letter] = {}
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in directory.glob(".*"):
            self._sweep(left)

    def put(self, letter: Letter, archive: Path | None) -> None:
        """Keep a letter, and move the archive of its outputs here; it is on the disk afterwards.

        Until `release` the letter is ours alone.

        Raises
        ------
        OSError
            It can't be kept, and nothing of it is; the archive may be lost.
        """
        part = self._directory / f".{letter.name}"
        part.mkdir(mode=0o700)
        try:
            self._claims.take(letter.name, part)
            self._fill(part, letter, archive)
            part.replace(self._directory / letter.name)
            _sync(self._directory)
        except BaseException:
            self._sweep(part)
            raise

    def put_aside(self, letter: Letter) -> None:
        """Keep a letter in memory, for want of a disk that takes it."""
        self._unkept[letter.name] = letter

    def letters(self, marketplace_url: str, agent: str) -> list[Letter]:
        """Return what an agent has still to deliver to a marketplace, oldest first."""
        found = [from_json(_read(path / _RESULT)) for path in self._paths()]
        letters = [letter for letter in found if letter is not None] + [*self._unkept.values()]
        return [
            letter
            for letter in letters
            if letter.marketplace_url == marketplace_url and letter.agent == agent
        ]

    def drop_old(self) -> int:
        """Remove the letters that nobody could deliver for a month; return how many."""
        oldest = time.time() - KEPT_S
        old = [path for path in self._paths() if _age(path) < oldest]
        ours = [path for path in old if self._claims.take(path.name, path)]
        for path in ours:
            remove_tree(path)
            self._claims.drop(path.name)
        return len(ours)

    def count(self) -> int:
        """Return how many letters there are, for whatever marketplace."""
        return len(self._unkept) + sum(1 for _ in self._directory.glob("[!.]*"))

    def holds(self, job_id: str) -> bool:
        """Whether a letter about a job is here."""
        unkept = any(letter.job_id == job_id for letter in self._unkept.values())
        return unkept or any(True for _ in self._directory.glob(f"{job_id}-????????"))

    def claim(self, letter: Letter) -> bool:
        """Take a letter for this thread; return whether it is still there and nobody has it."""
        if letter.name in self._unkept:
            return True
        return self._claims.take(letter.name, self._directory / letter.name)

    def release(self, letter: Letter) -> None:
        """Leave a letter to others; what is not claimed is no error."""
        self._claims.drop(letter.name)

    def archive(self, letter: Letter) -> Path:
        """Return where the archive of a letter's outputs is."""
        return self._directory / letter.name / _ARCHIVE

    def uploaded(self, letter: Letter) -> Letter:
        """Note that the outputs have arrived."""
        sent = replace(letter, output_url="")
        _write(self._directory / letter.name / _RESULT, sent)
        return sent

    def remove(self, letter: Letter) -> None:
        """Forget a letter that has been delivered, or that nobody wants any more."""
        if self._unkept.pop(letter.name, None) is None:
            remove_tree(self._directory / letter.name)

    def _fill(self, part: Path, letter: Letter, archive: Path | None) -> None:
        if archive is not None:
            archive.replace(part / _ARCHIVE)
            _sync(part / _ARCHIVE)
        _write(part / _RESULT, letter)
        _sync(part)

    def _sweep(self, part: Path) -> None:
        """Remove what was being put here when its provider died or its disk was full."""
        name = part.name.removeprefix(".")
        self._claims.drop(name)
        if self._claims.take(name, part):
            with contextlib.suppress(OSError):
                remove_tree(part)
            self._claims.drop(name)

    def _paths(self) -> list[Path]:
        return sorted(self._directory.glob("[!.]*"), key=_age)


def _age(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _write(path: Path, letter: Letter) -> None:
    part = path.with_suffix(".part")
    part.write_text(letter.to_json(), encoding="utf-8")
    _sync(part)
    part.replace(path)


def _sync(path: Path) -> None:
    """Have the disk hold what was written; a system that can't sync a directory is let be."""
    with contextlib.suppress(PermissionError):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
