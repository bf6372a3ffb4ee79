"""The documentation's own index, and its links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from node3nb.cli import main

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_index_has_every_page() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in DOCS.glob("*.md")} - {"README.md"}
    assert [page for page in sorted(pages) if f"({page})" not in index] == []


@pytest.mark.parametrize(
    ("words", "pages"),
    [
        ("marketplace", ["marketplace.md"]),
        ("marketplace keys create", ["marketplace.md"]),
        ("provide", ["provide.md", "containers.md"]),
    ],
)
def test_the_page_of_a_command_tells_of_every_option(
    words: str, pages: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*words.split(), "--help"])
    offered = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help", "--json"}
    text = "".join((DOCS / page).read_text(encoding="utf-8") for page in pages)
    assert len(offered) > 5
    assert [option for option in sorted(offered) if option not in text] == []


def test_every_guarantee_has_its_tests() -> None:
    text = (DOCS / "guarantees.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+\.py)::(test_\w+)`", text))
    missing = [
        f"{path}::{test}"
        for path, test in sorted(named)
        if f"def {test}(" not in (ROOT / "tests" / path).read_text(encoding="utf-8")
    ]
    assert len(named) > 40
    assert missing == []
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    assert [row for row in rows if "::test_" not in row and "shown by" not in row] == []
