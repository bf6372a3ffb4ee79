"""What waits in an outbox, for whom, and how much of the disk it takes; only looks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from node3nb.agent.letter import (
    MAX_ENVELOPE_BYTES,
    LetterDamaged,
    LetterFromLater,
    read_envelope,
)
from node3nb.agent.outbox import ASIDE
from node3nb.agent.places import Place


@dataclass(slots=True)
class Waiting:
    """Results of one kind."""

    #: How many there are.
    count: int = 0
    #: What they take, in bytes.
    bytes: int = 0


def undelivered(outbox: Path) -> dict[str, Waiting]:
    """Return the results that wait: by their marketplace; those that can't be read by no name."""
    found: defaultdict[str, Waiting] = defaultdict(Waiting)
    for letter in [*outbox.glob("[!.]*"), *(outbox / ASIDE).glob("*")]:
        kind = found["" if letter.parent.name == ASIDE else _marketplace(letter)]
        kind.count += 1
        kind.bytes += sum(_size(file) for file in letter.glob("*"))
    return dict(found)


def _marketplace(letter: Path) -> str:
    try:
        with (letter / Place.RESULT).open("rb") as file:
            return read_envelope(file.readline(MAX_ENVELOPE_BYTES)).marketplace_url
    except (LetterDamaged, LetterFromLater, OSError):
        return ""


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
