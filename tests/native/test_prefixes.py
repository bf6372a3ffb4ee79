"""Wherever the provider's Python lives, its jobs find it: copies in the layouts of installers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import needs
from support.native_jobs import PATIENCE_S, linux_only
from support.reachable import LIBRARIES, ROOT, SYSTEM_PYTHON, home_of

from node3nb.files.removal import remove_tree
from node3nb.jobs import Isolation

pytestmark = linux_only
#: An interpreter that runs wherever it is copied to: one of a shared library may look for that
#: where it was built.
ORIGINAL = Path(
    os.path.realpath(SYSTEM_PYTHON if os.path.exists(SYSTEM_PYTHON) else sys.executable)
)
VERSION = ORIGINAL.name
#: Where each installer puts an interpreter, below a home directory.
LAYOUTS = {
    "conda": "miniconda3",
    "pyenv": ".pyenv/versions/3",
    "uv": ".local/share/uv/python/cpython-3-linux",
}
#: Left out of a copy: large, and not needed to run.
LEFT_OUT = ("__pycache__", "site-packages", "dist-packages", "test", "idlelib", "config-*")
#: What a job tells of the Python it was given.
LOOK = "import json, sys, ssl, sqlite3; print(json.dumps([sys.executable, sys.prefix]))"
RUN = """
import sys
from pathlib import Path
from node3nb import JobSpec, NativeExecutor
from node3nb.executor import SilentReporter
from node3nb.files import workspace
from node3nb.jobs import Isolation, Start
executor = NativeExecutor(Isolation(sys.argv[2]))
for start in Start:
    with workspace.temporary(Path(sys.argv[1]), "work") as place:
        spec = JobSpec(("python", "-c", sys.argv[3]), start=start)
        result = executor.run(spec, place, SilentReporter())
    print(result.stdout or result, end="")
executor.close()
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home below /tmp, with one copy of this Python in it."""
    needs.native(Isolation.NAMESPACES).close()
    home = Path(tempfile.mkdtemp(prefix="n3-home-"))
    base = ORIGINAL.parents[1]
    copy = home / "copy"
    (copy / "bin").mkdir(parents=True)
    shutil.copy2(ORIGINAL, copy / "bin" / VERSION)
    (copy / "bin" / "python").symlink_to(VERSION)
    skipped = shutil.ignore_patterns(*LEFT_OUT)
    shutil.copytree(base / "lib" / VERSION, copy / "lib" / VERSION, ignore=skipped, symlinks=True)
    (copy / "conda-meta").mkdir()
    libraries = home / "libraries"
    libraries.mkdir()
    (libraries / "node3nb").symlink_to(ROOT / "node3nb")
    for name in LIBRARIES:
        (libraries / name).symlink_to(home_of(name))
    yield home
    remove_tree(home)


def _installed(home: Path, layout: str) -> Path:
    """Return the interpreter of a prefix, moved to where an installer has it."""
    prefix = home / LAYOUTS[layout]
    prefix.parent.mkdir(parents=True, exist_ok=True)
    (home / "copy").rename(prefix)
    return prefix / "bin" / "python"


def _seen(home: Path, python: Path, level: str) -> list[list[str]]:
    """Return what two jobs tell of their Python, one of them in a fresh interpreter."""
    area = home / "area"
    ran = subprocess.run(
        [str(python), "-B", "-c", RUN, str(area), level, LOOK],
        env={"PYTHONPATH": str(home / "libraries"), "NODE3_HOME": str(area)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("["), ran.stdout
    return [json.loads(line) for line in ran.stdout.splitlines()]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_prefix_in_a_home(home: Path, layout: str) -> None:
    python = _installed(home, layout)
    prefix = python.parents[1]
    try:
        assert _seen(home, python, "namespaces") == [[str(python), str(prefix)]] * 2
    finally:
        prefix.rename(home / "copy")


@pytest.mark.parametrize("level", ["namespaces", "landlock"])
def test_environment_of_links_to_a_prefix_in_a_home(home: Path, level: str) -> None:
    """As uv makes them: the interpreter is a link through a link to a directory's other name."""
    python = _installed(home, "uv")
    prefix = python.parents[1]
    alias = prefix.with_name("cpython-3")
    alias.symlink_to(prefix.name)
    environment = home / "project" / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "lib" / VERSION / "site-packages").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(alias / "bin" / "python")
    (environment / "pyvenv.cfg").write_text(f"home = {alias / 'bin'}\n")
    own = environment / "bin" / "python"
    try:
        assert _seen(home, own, level) == [[str(own), str(environment)]] * 2
    finally:
        remove_tree(home / "project")
        alias.unlink()
        prefix.rename(home / "copy")
