"""The tutorials as they are committed: with outputs, and nothing of the machine that made them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
#: What may tell of a machine or of its owner: directories, addresses that are not loopback, keys.
TELLTALE = {
    "a path": re.compile(
        r"(?<![\w.])/(?:root|home|Users|tmp|var|opt|work|srv|mnt|private|usr)/|[A-Z]:\\\\"
    ),
    "an address": re.compile(r"\b(?!127\.0\.0\.1|0\.0\.0\.0)\d{1,3}(?:\.\d{1,3}){3}\b"),
    "a key": re.compile(r"n3_[a-z]+_[0-9a-f]{8,}|\b[0-9a-f]{40,}\b"),
    "a traceback": re.compile(r"Traceback \(most recent call last\)"),
}
#: Displays that only a running kernel can fill.
LIVE = "application/vnd.jupyter.widget"

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def code(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def shown(output: dict[str, Any]) -> str:
    texts = {kind: text for kind, text in output.get("data", {}).items() if "image/" not in kind}
    return json.dumps([texts, output.get("text", "")], ensure_ascii=False)


def test_there_are_tutorials_in_order() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{n:02}" for n in range(7)]


@every_notebook
def test_it_was_run_once_from_top_to_bottom(path: Path) -> None:
    cells = code(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert any(cell["outputs"] for cell in cells)


@every_notebook
def test_nothing_failed(path: Path) -> None:
    kinds = [output["output_type"] for cell in code(path) for output in cell["outputs"]]
    assert "error" not in kinds


@every_notebook
def test_it_shows_without_a_kernel(path: Path) -> None:
    for cell in code(path):
        for output in cell["outputs"]:
            kinds = set(output.get("data", {}))
            assert not any(kind.startswith(LIVE) for kind in kinds)
    assert "widgets" not in read(path)["metadata"]


@every_notebook
@pytest.mark.parametrize("what", TELLTALE)
def test_it_tells_nothing_of_the_machine(path: Path, what: str) -> None:
    told = [shown(output) for cell in code(path) for output in cell["outputs"]]
    assert [text for text in told if TELLTALE[what].search(text)] == []


@every_notebook
def test_its_metadata_is_the_same_everywhere(path: Path) -> None:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert read(path)["metadata"] == {"kernelspec": kernel, "language_info": {"name": "python"}}


@every_notebook
def test_its_links_lead_somewhere(path: Path) -> None:
    prose = [cell for cell in read(path)["cells"] if cell["cell_type"] == "markdown"]
    text = "".join("".join(cell["source"]) for cell in prose)
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert links
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_readme_lists_every_tutorial() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in NOTEBOOKS if f"(notebooks/{path.name})" not in readme] == []
