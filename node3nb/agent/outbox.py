"""Results not yet delivered, on disk: a result survives the network, the kernel and the machine.

A job has its place here before it is taken: a directory whose name begins with a dot, with what
it takes to give the job back and room for the result.  The result makes it a letter, whose name
has no dot.  A place whose provider has died is an orphan: its job was lost.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from node3nb.agent.claims import TELLS_THE_LIVING, Claims
from node3nb.agent.letter import (
    MAX_ENVELOPE_BYTES,
    MAX_LETTER_BYTES,
    Envelope,
    Letter,
    LetterDamaged,
    LetterFromLater,
    is_about,
    read_envelope,
    read_letter,
)
from node3nb.agent.places import Place, sync
from node3nb.files.removal import remove_tree
from node3nb.marketplace.client.grouped import Grouped

#: Directory of the letters that nobody can read.
ASIDE = ".aside"


class Outbox:
    """A directory of letters, each in a directory of its own.

    Several providers of one owner may share it; each letter is one thread's at a time.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._claims = Claims()
        self._named: Grouped[None, None] = Grouped(self._sync_names)
        self._lock = threading.Lock()
        self._known: dict[str, Envelope | None] = {}
        self._unkept: dict[str, Letter] = {}
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._being_made():
            if not left.held:
                self._sweep(left)

    def hold(self, envelope: Envelope) -> None:
        """Make a place for a job that is asked for, with room for its result; it is ours alone.

        Raises
        ------
        OSError
            There is no room.
        """
        place = self._place(envelope.name)
        try:
            place.make()
            self._claims.take(envelope.name, place.path)
            place.hold(envelope)
        except BaseException:
            self._sweep(place)
            raise

    def taken(self, envelope: Envelope) -> None:
        """Note under which lease the job of a place was given to us.

        Raises
        ------
        OSError
            It can't be noted.
        """
        place = self._place(envelope.name)
        place.note(envelope)
        if envelope.lease_id is None:
            # No lease that runs out tells its marketplace of a power cut.
            place.sync()
            self._named.do(None)

    def forget(self, name: str) -> None:
        """Give up the place of a job that is not ours, or not any more."""
        self._sweep(self._place(name))

    def leave(self, name: str) -> None:
        """Leave the place of a job to whoever looks for orphans."""
        self._claims.drop(name)

    def orphans(self, marketplace_url: str, agent: str) -> Iterator[Envelope]:
        """Yield the jobs that an agent has lost, each claimed: `forget` or `leave` it."""
        if not TELLS_THE_LIVING:
            return
        for place in self._being_made():
            if not place.held or not self._claims.take(place.name, place.path):
                continue
            envelope = place.held_for()
            if envelope is None:
                self._sweep(place)
            elif (envelope.marketplace_url, envelope.agent) == (marketplace_url, agent):
                yield envelope
            else:
                self._claims.drop(place.name)

    def put(self, letter: Letter, archive: Path | None) -> None:
        """Keep a letter, and move the archive of its outputs here; it is on the disk afterwards.

        Until `release` the letter is ours alone.

        Raises
        ------
        OSError
            It can't be kept; its place is, the archive may be lost.
        """
        place = self._place(letter.name)
        if not self._claims.holds(letter.name):
            place.make()
            self._claims.take(letter.name, place.path)
        place.fill(letter.shortened(), archive)
        place.path.replace(self._directory / letter.name)
        self._named.do(None)

    def put_aside(self, letter: Letter) -> None:
        """Keep a letter in memory, for want of a disk that takes it."""
        self._unkept[letter.name] = letter
        if self._claims.holds(letter.name):
            self.forget(letter.name)

    def envelopes(self, marketplace_url: str, agent: str) -> list[Envelope]:
        """Return what stands on the letters an agent has still to deliver, oldest first."""
        self._look()
        with self._lock:
            known = [each for each in self._known.values() if each is not None]
        unkept = [letter.envelope for letter in self._unkept.values()]
        ours = (marketplace_url, agent)
        return [each for each in known + unkept if (each.marketplace_url, each.agent) == ours]

    def read(self, name: str) -> Letter:
        """Return a letter.

        Raises
        ------
        LetterDamaged, LetterFromLater
            It can't be read.
        OSError
            It is gone.
        """
        if name in self._unkept:
            return self._unkept[name]
        with (self._directory / name / Place.RESULT).open("rb") as file:
            content = file.read(MAX_LETTER_BYTES + 1)
        letter = read_letter(content)
        if letter.name != name:
            raise LetterDamaged
        return letter

    def unreadable(self) -> list[str]:
        """Return the letters whose envelope can't be read, for whatever marketplace they are."""
        self._look()
        with self._lock:
            return [name for name, envelope in self._known.items() if envelope is None]

    def set_aside(self, name: str) -> Path:
        """Take a letter that can't be read out of the way; return where it is put."""
        aside = self._directory / ASIDE
        aside.mkdir(mode=0o700, exist_ok=True)
        (self._directory / name).replace(aside / name)
        return aside / name

    def count(self) -> int:
        """Return how many letters there are, for whatever marketplace."""
        return len(self._unkept) + sum(1 for _ in self._directory.glob("[!.]*"))

    def holds(self, job_id: str) -> bool:
        """Whether a letter about a job is here."""
        unkept = any(letter.job_id == job_id for letter in self._unkept.values())
        return unkept or any(is_about(job_id, name) for name in os.listdir(self._directory))

    def claim(self, name: str) -> bool:
        """Take a letter for this thread; return whether it is still there and nobody has it."""
        if name in self._unkept:
            return True
        return self._claims.take(name, self._directory / name)

    def with_others(self, name: str) -> bool:
        """Whether a letter is here and another provider has it."""
        return not self._claims.holds(name) and (self._directory / name).exists()

    def release(self, name: str) -> None:
        """Leave a letter to others; what is not claimed is no error."""
        self._claims.drop(name)

    def archive(self, name: str) -> Path | None:
        """Return where the archive of a letter's outputs is; None when none is left to send."""
        path = self._directory / name / Place.ARCHIVE
        return path if path.is_file() else None

    def uploaded(self, name: str) -> None:
        """Note that the outputs have arrived: they are kept no longer."""
        (self._directory / name / Place.ARCHIVE).unlink(missing_ok=True)

    def sending(self, name: str) -> bool:
        """Note on the disk that a letter goes now; return whether it may have gone before."""
        if name in self._unkept:
            return False
        try:
            (self._directory / name / Place.UNSENT).unlink()
        except FileNotFoundError:
            return True
        sync(self._directory / name)
        return False

    def remove(self, name: str) -> None:
        """Forget a letter that has been delivered, or that nobody wants any more."""
        if self._unkept.pop(name, None) is None:
            gone = self._place(name).path
            (self._directory / name).replace(gone)
            remove_tree(gone)

    def close(self) -> None:
        """Leave everything to others."""
        self._claims.drop_all()

    def _sync_names(self, asked: Sequence[None]) -> Sequence[None]:
        """Put names in the directory on the disk, of all letters that were named before."""
        sync(self._directory)
        return asked

    def _look(self) -> None:
        """Read the envelopes of the letters that came since the last look."""
        found = self._letters()
        with self._lock:
            known = self._known
        fresh = {name: known[name] if name in known else self._envelope(name) for name in found}
        with self._lock:
            self._known = fresh

    def _letters(self) -> list[str]:
        with os.scandir(self._directory) as entries:
            found = [(_age(each), each.name) for each in entries if not each.name.startswith(".")]
        return [name for _, name in sorted(found)]

    def _envelope(self, name: str) -> Envelope | None:
        try:
            with (self._directory / name / Place.RESULT).open("rb") as file:
                envelope = read_envelope(file.readline(MAX_ENVELOPE_BYTES))
        except (LetterDamaged, LetterFromLater, OSError):
            return None
        return envelope if envelope.name == name else None

    def _sweep(self, place: Place) -> None:
        """Remove what was being put here when its provider died or its disk was full."""
        self._claims.drop(place.name)
        if self._claims.take(place.name, place.path):
            with contextlib.suppress(OSError):
                remove_tree(place.path)
            self._claims.drop(place.name)

    def _place(self, name: str) -> Place:
        return Place(self._directory / f".{name}")

    def _being_made(self) -> list[Place]:
        found = self._directory.glob(".*")
        return [Place(path) for path in found if path.name != ASIDE]


def _age(entry: os.DirEntry[str]) -> float:
    with contextlib.suppress(OSError):
        return entry.stat().st_mtime
    return 0.0
