"""A notebook with a long cell, run and saved as the tutorials are, is what nbval finds again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

REGENERATE = Path(__file__).parents[2] / "notebooks" / "regenerate.py"
CELLS = [
    "%load_ext node3nb\n%config Node3.progress_after_s = 0.1",
    "%%node3 run -o result;\nimport time\ntime.sleep(1.5)\nprint('slept')",
    "print(result.stdout, end='')",
]


@pytest.mark.timeout(180)
def test_a_long_cell_leaves_nothing_in_a_saved_notebook(
    node3_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(node3_home / "ipython"))
    path = node3_home / "long.ipynb"
    cells = [nbformat.v4.new_code_cell(each) for each in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)

    run(str(REGENERATE), str(path))
    saved = nbformat.read(path, as_version=4)
    assert [cell.outputs for cell in saved.cells[:2]] == [[], []]
    assert [each.text for each in saved.cells[2].outputs] == ["slept\n"]

    options = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout", "90", "-p", "no:xdist"]
    ran = run("-m", "pytest", *options, str(path), "-c", os.devnull)
    assert "3 passed" in ran


def run(*words: str) -> str:
    """Run this Python to a good end and return what it printed."""
    ran = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=80, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
