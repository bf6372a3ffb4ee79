"""A place in which an ordinary user finds Python and this package, wherever root keeps its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from support import needs

ROOT = Path(__file__).parents[2]
#: Debian's Python, for when ours lies in a home directory of root's.
SYSTEM_PYTHON = "/usr/bin/python3"
#: What the executor imports beyond the standard library; each runs with every Python 3.
LIBRARIES = ("platformdirs", "psutil")
#: Prints whether a Python is new enough for the package.
NEW_ENOUGH = "import sys; print(sys.version_info >= (3, 11))"


def build(place: Path) -> Path:
    """Fill a directory with the package, `tests/security` and a Python; return the Python."""
    place.chmod(0o755)
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "node3nb", place / "node3nb", ignore=skipped)
    shutil.copytree(ROOT / "tests" / "security", place / "security", ignore=skipped)
    environment = place / "environment"
    command = [python(), "-m", "venv", "--without-pip", str(environment)]
    subprocess.run(command, check=True, env={}, timeout=60)
    libraries = next((environment / "lib").glob("python3*/site-packages"))
    for name in LIBRARIES:
        shutil.copytree(home_of(name), libraries / name, ignore=skipped)
    return environment / "bin" / "python"


def home_of(name: str) -> Path:
    """Return the directory of an installed package."""
    found = importlib.util.find_spec(name)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def give(tree: Path, uid: int) -> None:
    """Make a tree of files the user's own."""
    for directory, _, files in os.walk(tree):
        for path in (directory, *(os.path.join(directory, file) for file in files)):
            os.chown(path, uid, uid, follow_symlinks=False)


def python() -> str:
    """Return a Python that every user can run; without one, skip on a laptop and fail in CI."""
    ours = os.path.realpath(sys.executable)
    if _readable_by_all(ours) and _readable_by_all(sys.base_prefix):
        return ours
    if not (_readable_by_all(os.path.realpath(SYSTEM_PYTHON)) and _is_new_enough(SYSTEM_PYTHON)):
        needs.miss("no Python that every user can run; .ci/run has to install one")
    return SYSTEM_PYTHON


def _is_new_enough(python: str) -> bool:
    """Return whether a Python can run this package."""
    asked = [python, "-I", "-S", "-c", NEW_ENOUGH]
    return subprocess.run(asked, capture_output=True, check=True, timeout=30).stdout == b"True\n"


def _readable_by_all(path: str) -> bool:
    """Return whether everybody may go to the path and read what is there."""
    places = [Path(path), *Path(path).parents]
    return all(place.exists() and place.stat().st_mode & 0o005 == 0o005 for place in places)
