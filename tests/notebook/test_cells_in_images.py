"""Cells that run in containers of real engines: variables and files go the same ways."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.engines import PLAIN
from support.kernel_cells import Cells

from node3nb import DockerManager
from node3nb.containers.policy import ContainerPolicy


@pytest.fixture(params=["dockerd", "podman"])
def engine_cells(cells: Cells, request: pytest.FixtureRequest) -> Iterator[Cells]:
    """A shell whose containers are an engine's of our own."""
    engine = request.getfixturevalue(request.param)
    session = cells.shell.magics_manager.registry["Node3Magics"]._session
    session._container = DockerManager(ContainerPolicy(own_images=("*",)), hints=engine.hints)
    yield cells
    session._container.close()
    assert engine.containers() == []


def test_a_cell_in_an_image_gets_and_gives_variables(engine_cells: Cells, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("seven")
    engine_cells.shell.user_ns.update(a={"n": 2**70}, here=tmp_path)
    result = engine_cells.run(
        f"%%node3 run --image {PLAIN} --in a --out b --input $here/in.txt --output $here/out\n"
        "import os\n"
        "b = (a, open(os.environ['INPUT_DIR'] + '/in.txt').read())\n"
        "open(os.environ['OUTPUT_DIR'] + '/o.txt', 'w').write('kept')\n"
    )

    assert result.ok, (result.message, result.stderr)
    assert (result.executor, result.isolation) == ("container", "container")
    assert engine_cells.shell.user_ns["b"] == ({"n": 2**70}, "seven")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["o.txt"]


def test_a_cell_in_an_image_is_called_off(engine_cells: Cells) -> None:
    run = engine_cells.run(
        f"%%node3 run --background --image {PLAIN}\n"
        "import time\nprint('begun', flush=True)\ntime.sleep(600)"
    )
    while "begun" not in run.logs().stdout:
        assert run.running
    run.cancel()

    assert run.wait(60).state == "cancelled"


@pytest.mark.parametrize("asked", ["--isolation container", "--image python"])
def test_without_an_engine_a_cell_in_an_image_is_refused_in_a_sentence(
    cells: Cells, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such/engine.sock")
    told = cells.refusal(f"%%node3 run {asked}\npass")

    assert told.startswith("The job can't be run here. container: ")
    assert "\n" not in told
