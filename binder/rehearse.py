"""Does here what Binder would do: `python binder/rehearse.py`, as root on Linux.

1. repo2docker reads a fresh clone and says what it would build; without Docker it builds nothing.
2. The pins of environment.yml become an environment.  This is the part that is not conda: pip
   installs the same versions, because conda's channels can't be reached from everywhere.
3. In a container's place there is an ordinary user without CAP_SYS_ADMIN and without namespaces,
   in a control group with 1 GB for all: JupyterLab is started the way Binder starts it, serves the
   quickstart, and beside it every tutorial runs and must give its saved outputs.
4. The same user runs the tutorial that depends most on the machine outside that place, too.

Prints how much memory the third took, of how much.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pins
from stage import Stage

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support import reachable  # noqa: E402 - the tests' helpers are no package

#: The repo2docker that is asked; mybinder.org runs a recent one.
REPO2DOCKER = "jupyter-repo2docker==2026.4.0"
#: What compares the outputs; added to Binder's environment without changing a version in it.
COMPARES = ("nbval", "pytest", "pytest-timeout")
#: Seconds for one download or build.
INSTALL_S = 600
#: What repo2docker must have understood.
EXPECTED = (
    f"Building conda environment for python={pins.python()}",
    'env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"',
    "RUN ./binder/postBuild",
    'ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"',
)


def main() -> None:
    """Rehearse it all; a step that fails ends it with status 1."""
    if os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() != 0:
        sys.exit("The rehearsal needs root: it limits a whole tree of processes to 1 GB.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("The rehearsal was called off."))
    with _place() as place:
        clone = _clone(place / "home")
        say("repo2docker reads the clone")
        _ask_repo2docker(place / "repo2docker", clone)
        say("the pins, by pip")
        python = _environment(place / "environment", clone)
        reachable.give(clone, Stage.UID)
        with Stage(clone, python) as stage:
            say("JupyterLab in 1 GB")
            stage.start_lab()
            say("the tutorials beside it")
            stage.run_tutorials()
            say(stage.account())
            say("the attacks again, as an ordinary user of a whole machine")
            stage.run_attacks_elsewhere()


def say(what: str) -> None:
    """Tell what comes next."""
    print(f"-- {what}", flush=True)


@contextmanager
def _place() -> Iterator[Path]:
    """Give a directory that every user can reach."""
    with tempfile.TemporaryDirectory(prefix="n3b-", ignore_cleanup_errors=True) as name:
        place = Path(name)
        place.chmod(0o755)
        yield place


def _clone(clone: Path) -> Path:
    """Copy what git has, or would have with the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    return clone


def _ask_repo2docker(environment: Path, clone: Path) -> None:
    """Have repo2docker write its Dockerfile; ends the rehearsal unless ours is all in it."""
    _install(environment, REPO2DOCKER)
    told = subprocess.run(
        [environment / "bin" / "jupyter-repo2docker", "--no-build", "--debug", "."],
        cwd=clone,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    lacking = [line for line in EXPECTED if line not in told.stdout]
    if told.returncode or lacking:
        sys.exit(f"{told.stdout}\nrepo2docker: status {told.returncode}, not said: {lacking}")


def _environment(environment: Path, clone: Path) -> Path:
    """Make Binder's environment, put node3nb into it as postBuild does; returns its Python."""
    python = environment / "bin" / "python"
    _install(environment, *pins.requirements())
    held = environment / "held.txt"
    held.write_bytes(_pip(python, "freeze", capture_output=True).stdout)
    _pip(python, "install", "-qq", "--constraint", str(held), *COMPARES)
    path = {"PATH": f"{python.parent}:{os.environ['PATH']}", "HOME": str(clone)}
    subprocess.run(
        ["binder/postBuild"], cwd=clone, check=True, timeout=INSTALL_S, env=os.environ | path
    )
    return python


def _install(environment: Path, *requirements: str) -> None:
    base = reachable.python()
    command = [base, "-m", "venv", "--without-pip", str(environment)]
    subprocess.run(command, check=True, timeout=60)
    _pip(environment / "bin" / "python", "install", "-qq", "pip", *requirements)


def _pip(
    python: Path, *words: str, capture_output: bool = False
) -> subprocess.CompletedProcess[bytes]:
    """Run this Python's pip for another one, which may have none."""
    command = [sys.executable, "-m", "pip", "--python", str(python), *words]
    quiet = {"PIP_ROOT_USER_ACTION": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(
        command,
        check=True,
        timeout=INSTALL_S,
        capture_output=capture_output,
        env=os.environ | quiet,
    )


if __name__ == "__main__":
    main()
