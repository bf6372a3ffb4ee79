"""The images that were pulled for jobs, with their last use, in a file of the owner's."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Pulled:
    """One image that is here because a job wanted it."""

    #: Its id.
    id: str
    #: The name it was pulled by.
    reference: str
    #: Its size on disk, in bytes.
    bytes: int
    #: When a job last used it, in seconds since the epoch.
    used_at: float
    #: Whether its pull wrote that name as a tag.
    tagged: bool = True


class PulledImages:
    """What one engine has pulled for jobs.

    Parameters
    ----------
    path
        The file, for all engines.
    engine
        Identity of this one.
    """

    def __init__(self, path: Path, engine: str) -> None:
        self._path = path
        self._engine = engine

    def all(self) -> list[Pulled]:
        """Return them, the longest unused first; what can't be read is none."""
        found = []
        for entry in self._read().get(self._engine) or []:
            try:
                found.append(Pulled(**entry))
            except TypeError:
                continue
        return sorted(found, key=lambda each: each.used_at)

    def note_use(self, image_id: str) -> None:
        """Remember that a job uses an image now, if it was pulled for one."""
        if self.find(image_id) is None:
            return
        with self._alone():
            known = self.find(image_id)
            if known is not None:
                self._put(replace(known, used_at=time.time()))

    def note(self, image: Pulled) -> None:
        """Remember an image, or its latest use."""
        with self._alone():
            self._put(image)

    def forget(self, image_id: str) -> None:
        """Strike out an image."""
        with self._alone():
            self._write([each for each in self.all() if each.id != image_id])

    def named(self, reference: str) -> Pulled | None:
        """Return the image that was pulled by a name."""
        return next((each for each in self.all() if each.reference == reference), None)

    def find(self, image_id: str) -> Pulled | None:
        """Return an image by its id, if it was pulled for a job."""
        return next((each for each in self.all() if each.id == image_id), None)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep every other thread and process from changing the file meanwhile."""
        import fcntl  # noqa: PLC0415 - POSIX only

        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open(f"{self._path}.lock", flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _put(self, image: Pulled) -> None:
        self._write([each for each in self.all() if each.id != image.id] + [image])

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self, images: list[Pulled]) -> None:
        content = self._read() | {self._engine: [asdict(each) for each in images]}
        descriptor, part = tempfile.mkstemp(prefix=self._path.name, dir=self._path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file)
            os.replace(part, self._path)
        except BaseException:
            os.unlink(part)
            raise
