"""The page on containers says the same with an engine as without, and its jobs run in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.engines import EngineProcess

ROOM = Path(__file__).parents[2] / "notebooks"
PAGE = "05_containers_and_images.ipynb"
IGNORED = "nbval-ignore-output"
#: Seconds for the whole page: far above what it takes.
PAGE_S = 110


@pytest.mark.parametrize("kind", ["dockerd", "podman"])
def test_the_page_holds_with_an_engine(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    engine: EngineProcess = request.getfixturevalue(kind)
    page = Path(shutil.copy(ROOM / PAGE, tmp_path))
    subprocess.run(
        [sys.executable, str(ROOM / "regenerate.py"), str(page)],
        env=os.environ | {"DOCKER_HOST": str(engine.hints.docker_host)},
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=PAGE_S,
    )
    assert printed(page, ignored=False) == printed(ROOM / PAGE, ignored=False)
    told = printed(page, ignored=True)
    assert "It ran in: container, isolation level container." in told
    assert "Run by container: the answer is 42" in told


def printed(page: Path, *, ignored: bool) -> str:
    cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    wanted = [cell for cell in code if (IGNORED in cell["metadata"].get("tags", [])) == ignored]
    return "".join("".join(output.get("text", [])) for cell in wanted for output in cell["outputs"])
