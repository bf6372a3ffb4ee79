"""Results not yet delivered, on disk: a result survives the network and the kernel."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from node3nb.files.removal import remove_tree

_RESULT, _ARCHIVE = "result.json", "outputs.tar.gz"


def new_name(job_id: str) -> str:
    """Return a name for a letter about a job."""
    return f"{job_id}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Letter:
    """One result on its way to its marketplace."""

    #: Name of the letter, unique in its outbox.
    name: str
    #: The marketplace it is for.
    marketplace_url: str
    #: The job.
    job_id: str
    #: The lease it was run under; None with a marketplace that knows none.
    lease_id: str | None
    #: Where the outputs are to be sent first; empty for nowhere, or when they have been.
    output_url: str
    #: When the job ended, as ISO 8601 in UTC.
    ended_at: str
    #: The JobResult as plain data.
    result: dict[str, Any]


class Outbox:
    """A directory of letters, each in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, letter: Letter, archive: Path | None) -> None:
        """Keep a letter, and move the archive of its outputs here; it is on the disk afterwards."""
        part = self._directory / f".{letter.name}"
        part.mkdir(mode=0o700)
        if archive is not None:
            archive.replace(part / _ARCHIVE)
            _sync(part / _ARCHIVE)
        _write(part / _RESULT, letter)
        _sync(part)
        part.replace(self._directory / letter.name)
        _sync(self._directory)

    def letters(self, marketplace_url: str) -> list[Letter]:
        """Return what is still to be delivered to a marketplace, oldest first."""
        found = []
        for path in sorted(self._directory.glob("[!.]*"), key=_age):
            letter = _load(path / _RESULT)
            if letter is not None and letter.marketplace_url == marketplace_url:
                found.append(letter)
        return found

    def count(self) -> int:
        """Return how many letters there are, for whatever marketplace."""
        return sum(1 for _ in self._directory.glob("[!.]*"))

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
        remove_tree(self._directory / letter.name)


def _age(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _load(path: Path) -> Letter | None:
    """Return the letter in a file; None for one that is gone or not a letter."""
    try:
        return Letter(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, letter: Letter) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(letter)), encoding="utf-8")
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
