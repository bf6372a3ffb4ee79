"""Making an input: whole, once, and the same everywhere."""

import hashlib
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from support.sample_job_parts import (
    TEST_JOBS,
    WITH_INPUT,
    changed,
    write_job,
)

from node3nb import sample_jobs
from node3nb.errors import ConfigError

SLOW_RECIPE = """
import sys, time
from pathlib import Path
with Path(__file__).with_name("made.log").open("a") as log:
    log.write("made\\n")
with Path(sys.argv[1], "in.txt").open("w") as out:
    for line in range(10):
        print(line, file=out, flush=True)
        time.sleep(0.05)
"""
COMPLETE = "".join(f"{line}\n" for line in range(10))


def test_two_makers_at_once_both_get_the_whole_input(tmp_path: Path) -> None:
    directory = write_job(tmp_path, recipe=SLOW_RECIPE)
    start = threading.Barrier(2)

    def make(_: int) -> tuple[Path, str]:
        start.wait(10)
        path = sample_jobs.load_job(directory).input_path()
        return path, path.read_text()

    with ThreadPoolExecutor(2) as makers:
        [first, second] = makers.map(make, range(2))
    assert first == second
    assert first[1] == COMPLETE
    assert (directory / "made.log").read_text() == "made\n" * 2
    assert [path.name for path in (directory / "generated").iterdir()] == [first[0].parent.name]


def test_an_unfinished_input_is_never_in_its_place(tmp_path: Path) -> None:
    directory = write_job(tmp_path, recipe=SLOW_RECIPE)
    seen = set()
    with ThreadPoolExecutor(1) as maker:
        making = maker.submit(sample_jobs.load_job(directory).input_path)
        while not making.done():
            seen |= {path.read_text() for path in directory.glob("generated/*/in.txt")}
    assert seen <= {COMPLETE}
    assert making.result().read_text() == COMPLETE


def test_an_input_is_made_once_and_anew_when_a_script_changes(tmp_path: Path) -> None:
    directory = write_job(tmp_path, recipe=SLOW_RECIPE)
    job = sample_jobs.load_job(directory)
    first = job.input_path()
    assert job.input_path() == first
    assert (directory / "made.log").read_text() == "made\n"
    (directory / "make_input.py").write_text(SLOW_RECIPE.replace("range(10)", "range(2)"))
    assert job.input_path() != first
    assert job.input_path().read_text() == "0\n1\n"


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("raise SystemExit('no luck')", "^01_job/make_input.py: it failed with exit code 1: no lu"),
        ("1 / 0", "exit code 1: ZeroDivisionError: division by zero$"),
        ("pass", "^01_job/make_input.py: it must write in.txt and nothing else"),
        (
            "import sys, pathlib; [pathlib.Path(sys.argv[1], n).touch() for n in ('in.txt', 'b')]",
            "it must write in.txt and nothing else",
        ),
    ],
)
def test_a_recipe_that_fails_leaves_nothing(tmp_path: Path, recipe: str, message: str) -> None:
    directory = write_job(tmp_path, recipe=recipe)
    with pytest.raises(ConfigError, match=message):
        sample_jobs.load_job(directory).input_path()
    assert list((directory / "generated").iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_config_error(tmp_path: Path) -> None:
    directory = write_job(tmp_path)
    (directory / "generated").write_text("in the way")
    with pytest.raises(ConfigError, match=r"^01_job: its input can't be made"):
        sample_jobs.load_job(directory).input_path()


def test_a_job_without_input_has_none(tmp_path: Path) -> None:
    assert sample_jobs.load_job(write_job(tmp_path, changed("input", None))).input_path() is None


@pytest.mark.parametrize("name", WITH_INPUT)
def test_an_input_is_the_same_wherever_it_is_made(name: str, tmp_path: Path) -> None:
    def make(place: str) -> str:
        copy = tmp_path / place / name
        shutil.copytree(TEST_JOBS / name, copy, ignore=shutil.ignore_patterns("generated"))
        job = replace(sample_jobs.load_job(TEST_JOBS / name), directory=copy)
        return hashlib.sha256(job.input_path().read_bytes()).hexdigest()

    with ThreadPoolExecutor(2) as makers:
        [one, other] = makers.map(make, ("one", "other"))
    assert one == other


def test_the_large_input_is_large() -> None:
    source = sample_jobs.load_job(TEST_JOBS / "06_csv_aggregation").input_path()
    assert source.stat().st_size >= 50 << 20
