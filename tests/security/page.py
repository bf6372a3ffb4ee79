"""Writes the tables of docs/isolation.md from the one table.

Run as `python -m security.page` in `tests/`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from security import greed
from security.entries import Attack, Gap
from security.table import ATTACKS, LANDLOCK, LIMITS, NAMESPACES

from node3nb.attack_classes import ALL, AttackClass

PAGE = Path(__file__).parents[2] / "docs" / "isolation.md"
PROGRAMS = Path(__file__).with_name("attacks")
#: The tables stand between these lines of the page.
BEGIN, END = "<!-- begin: written by security.page in tests -->\n", "<!-- end -->\n"
LEVELS = (NAMESPACES, LANDLOCK, LIMITS)


def current(page: str) -> str:
    """Return the page with the tables as they should be."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return before + BEGIN + "\n".join((*_levels(), "", *_tried())) + "\n" + END + after


def _levels() -> Iterator[str]:
    yield "| what a job may try | " + " | ".join(f"`{level}`" for level in LEVELS) + " |"
    yield "| --- |" + " --- |" * len(LEVELS)
    for kind in ALL:
        cells = " | ".join(_cell(kind, level) for level in LEVELS)
        yield f"| {kind.told} | {cells} |"


def _cell(kind: AttackClass, level: str) -> str:
    attacks = [attack for attack in ATTACKS if attack.kind is kind]
    gaps = [gap for attack in attacks for gap in attack.gaps if level in gap.levels]
    always = {f"**not stopped**: {gap.why}": None for gap in gaps if gap == _everywhere(gap)}
    return "; ".join(always or _conditional(gaps)) or "stopped"


def _conditional(gaps: list[Gap]) -> list[str]:
    """Tell each reason once, where it holds most widely."""
    widest: dict[str, Gap] = {}
    for gap in sorted(gaps, key=lambda each: len(each.unless)):
        widest.setdefault(gap.why, gap)
    return [_why(gap) for gap in widest.values()]


def _everywhere(gap: Gap) -> Gap:
    return Gap(gap.levels, gap.why)


def _why(gap: Gap) -> str:
    who = {True: " for root", False: " for an ordinary user", None: ""}[gap.root]
    verdict = "**not always stopped**" if gap.race else "**not stopped**"
    without = f" without {' and '.join(sorted(gap.unless))}" if gap.unless else ""
    return f"{verdict}{who}{without}: {gap.why}"


def _tried() -> Iterator[str]:
    told = _docstrings()
    yield "| class | what is tried |"
    yield "| --- | --- |"
    for kind in ALL:
        mine = [_tell(attack, told) for attack in ATTACKS if attack.kind is kind]
        yield f"| {kind.name} | {'; '.join(mine)} |"


def _tell(attack: Attack, told: dict[str, str]) -> str:
    text = told[attack.name]
    starts_with_a_name = text[1:2].isupper()
    return (text if starts_with_a_name else text[0].lower() + text[1:]).rstrip(".")


def _docstrings() -> dict[str, str]:
    """Return the first line of what each attack says of itself."""
    found = {}
    for path in PROGRAMS.glob("attacks_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                found[node.name] = (ast.get_docstring(node) or "").partition("\n")[0]
    return found | greed.TOLD


if __name__ == "__main__":
    PAGE.write_text(current(PAGE.read_text()))
