"""A program in a warm interpreter does what it does in one of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fidelity.cases import CASES, DIFFERENCES, script
from support.fidelity import SCRIPTS, Case, Harness, WarmForks
from support.native_jobs import linux_only

pytestmark = linux_only
#: The ways to run a program warm.
HARNESSES = {"forks": WarmForks}


@pytest.fixture(scope="module", params=HARNESSES)
def harness(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Harness]:
    with closing(HARNESSES[request.param](tmp_path_factory.mktemp("area"))) as harness:
        yield harness


@pytest.fixture(scope="module", params=HARNESSES)
def with_numpy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Harness]:
    with closing(HARNESSES[request.param](tmp_path_factory.mktemp("area"), ("numpy",))) as harness:
        yield harness


@pytest.mark.parametrize("name", [name for name in CASES if name not in DIFFERENCES])
def test_the_same(harness: Harness, name: str) -> None:
    assert harness.run(CASES[name], warm=True) == harness.run(CASES[name], warm=False)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_known_differences(harness: Harness, name: str) -> None:
    assert harness.run(CASES[name], warm=True) != harness.run(CASES[name], warm=False)


def test_numpy_loaded_already(with_numpy: Harness) -> None:
    case = Case("numerical", script("numerical.py"))
    assert with_numpy.run(case, warm=True) == with_numpy.run(case, warm=False)


def test_nothing_is_drawn_twice(harness: Harness, with_numpy: Harness) -> None:
    case = Case("drawn", script("drawn.py"))
    for each in (harness, with_numpy):
        runs = [each.run(case, warm=True) for _ in range(3)]
        assert all(run.code == 0 for run in runs), runs
        lines = [set(run.stdout.splitlines()) for run in runs]
        assert len(set.union(*lines)) == sum(map(len, lines)) == 3 * len(lines[0])


def test_a_program_leaves_nothing_to_the_next(harness: Harness) -> None:
    code = "import os, sys; print('X' in os.environ, 'csv' in sys.modules, hasattr(sys, 'x'))"
    look = Case("look", ("-c", code))
    before = harness.run(look, warm=True)
    leave = replace(look, arguments=("-c", "import os, sys, csv; sys.x = os.environ['X'] = 'x'"))
    assert harness.run(leave, warm=True).code == 0
    assert harness.run(look, warm=True) == before


@pytest.fixture(scope="module")
def unusual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unusual")


def make_link(place: Path) -> Path:
    link = place / "link.py"
    link.symlink_to(SCRIPTS / "arguments.py")
    return link


def make_archive(place: Path) -> Path:
    import zipfile

    path = place / "archive.py"
    path.write_text("print('the text before an archive is not run')\n")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__main__.py", "import sys; print(__name__, sys.path[0], __file__)")
    return path


def make_compiled(place: Path) -> Path:
    import py_compile

    return Path(py_compile.compile(str(SCRIPTS / "names.py"), str(place / "names"), doraise=True))


def make_unreadable_name(place: Path) -> Path:
    path = place / "n\udcffme.py"
    path.write_text("import sys; print(ascii(__file__), ascii(sys.argv)); 1 / 0")
    return path


def make_stream(place: Path) -> Path:
    return Path("/dev/stdin")


@pytest.mark.parametrize(
    "make", [make_link, make_archive, make_compiled, make_unreadable_name, make_stream]
)
def test_unusual_files(harness: Harness, unusual: Path, make: Callable[[Path], Path]) -> None:
    case = Case("unusual", (str(make(unusual)), "x"), stdin=b"print('from a stream')\n")
    assert harness.run(case, warm=True) == harness.run(case, warm=False)
