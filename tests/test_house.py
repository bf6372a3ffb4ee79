"""The bounds of the house: short files, short functions, no way round the settings."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "node3nb"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ROOMS = ("tests", "bench", "test_jobs", "notebooks", "binder")
TESTS = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION, MEDIAN_FUNCTION = 300, 60, 10


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield f"{path.name}:{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name)
def test_a_file_fits_in_a_head(path: Path) -> None:
    assert lines(path) <= LONGEST_FILE


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    assert [each for each in functions(path) if each[1] > LONGEST_FUNCTION] == []


def test_functions_are_short() -> None:
    lengths = [length for path in SOURCES for _, length in functions(path)]
    assert statistics.median(lengths) <= MEDIAN_FUNCTION


def test_only_config_reads_the_environment() -> None:
    readers = [
        name(path)
        for path in SOURCES
        if path.name != "config.py"
        # Runs inside the job, whose environment is the job's own.
        and name(path) != "node3nb/variables/runner.py"
        and any(word in path.read_text() for word in ("os.environ", "getenv"))
    ]
    assert readers == []
