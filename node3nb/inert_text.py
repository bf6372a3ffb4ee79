"""Text of strangers, as it may be shown: nothing in it acts on the reader's terminal or page."""

from __future__ import annotations

import unicodedata

#: Direction marks can make a text read as something else than it says (Unicode TR 36).
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_KEPT = frozenset("\n\t")


def inert(text: str) -> str:
    """Return a text whose control characters show instead of acting; line ends stay."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(_shown(character) for character in lines)


def _shown(character: str) -> str:
    if character in _KEPT:
        return character
    acts = unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
    if not acts and character not in _DIRECTION:
        return character
    return character.encode("unicode_escape").decode()


def line(text: str, longest: int = 120) -> str:
    """Return a text on one inert line, shortened where it is too long."""
    flat = " ".join(inert(text).split())
    return flat if len(flat) <= longest else f"{flat[: longest - 1]}…"
