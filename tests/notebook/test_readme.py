"""What the README tells a stranger to type does what it says, as it stands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from support.kernel_cells import Cells

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
#: What stands for a marketplace, a key or a number of the reader's own.
PLACEHOLDERS = ("market.example", "...")


def blocks(language: str) -> list[str]:
    """Return the blocks that can be typed as they stand."""
    found = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return [each.strip() for each in found if not any(word in each for word in PLACEHOLDERS)]


def test_its_cells_run(bare_shell: Cells) -> None:
    first, submitted, run = blocks("python")
    bare_shell.run(first)
    assert bare_shell.run(submitted).stdout == "332833500\n"
    assert bare_shell.run(run).ok
    assert bare_shell.run("%node3 stop").completed == 1


def test_its_line_for_a_terminal_runs(tmp_path: Path) -> None:
    (line,) = (each for each in blocks("sh") if each.startswith("node3nb run "))
    (tmp_path / "data").mkdir()
    copy = (
        "import os, shutil; shutil.copy(os.environ['INPUT_DIR'] + '/x', os.environ['OUTPUT_DIR'])"
    )
    (tmp_path / "data" / "analyse.py").write_text(copy)
    (tmp_path / "data" / "x").write_text("kept")
    command = [sys.executable, "-m", *shlex.split(line)]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=100)
    assert (tmp_path / "results" / "x").read_text() == "kept"
