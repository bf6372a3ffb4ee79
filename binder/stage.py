"""A container's place: one user, few rights, 1 GB; and how much of that was taken."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import requests

from node3nb.supervisor.kernel import cgroups

BINDERLIKE = Path(__file__).parents[1] / "tests" / "support" / "binderlike.py"
#: Memory for everything together, in bytes, and processes and threads.
MEMORY_BYTES, PROCESSES = 1_000_000_000, 2048
#: Seconds JupyterLab gets to serve its first page, and all tutorials together get.
LAB_S, TUTORIALS_S = 60, 600
#: Seconds between two looks at the memory.
LOOK_S = 0.05
#: Where Binder's link leads.
QUICKSTART = "lab/tree/notebooks/00_quickstart.ipynb"
MB = 1_000_000


class Stage:
    """Everything that runs in Binder's place; ends with the block, whatever happens.

    Parameters
    ----------
    clone
        The repository, which is the user's home.
    python
        The Python of Binder's environment.
    """

    #: The user, as on Binder.
    UID: ClassVar[int] = 1000

    def __init__(self, clone: Path, python: Path) -> None:
        self._clone, self._python = clone, python
        self._lab_bytes = self._most_bytes = 0
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        groups = cgroups.find()
        if isinstance(groups, str):
            sys.exit(groups)
        self._groups = groups
        self._group = groups.create("binder")
        self._group.limit(MEMORY_BYTES, PROCESSES)
        self._watch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._watch.join()
        self._groups.end()

    def start_lab(self) -> None:
        """Start JupyterLab as Binder does, and wait until it serves the quickstart."""
        port = _free_port()
        words = ["jupyter-lab", f"--port={port}", "--ip=127.0.0.1", "--no-browser"]
        log = open(self._clone / "lab.log", "wb")  # noqa: SIM115 - the child's
        lab = self._start(["binder/start", *words, "--ServerApp.token="], log)
        deadline = time.monotonic() + LAB_S
        while not _serves(f"http://127.0.0.1:{port}/{QUICKSTART}"):
            if lab.poll() is not None or time.monotonic() > deadline:
                sys.exit((self._clone / "lab.log").read_text() + "JupyterLab does not serve.")
            time.sleep(LOOK_S)
        self._lab_bytes = self._group.memory_bytes()

    def run_tutorials(self) -> None:
        """Run every tutorial; ends the rehearsal if an output is another than the saved one."""
        if self._start(["binder/start", *self._comparing("notebooks")], None).wait(TUTORIALS_S):
            self.account()
            sys.exit("A tutorial does not do on Binder what it says.")

    def run_attacks_elsewhere(self) -> None:
        """Run the attacks as the same user outside, who may make namespaces; ends as above."""
        ended = subprocess.run(
            self._comparing("notebooks/04_what_isolation_stops.ipynb"),
            cwd=self._clone,
            stdin=subprocess.DEVNULL,
            env=self._environment,
            user=self.UID,
            group=self.UID,
            extra_groups=[],
            timeout=TUTORIALS_S,
            check=False,
        )
        if ended.returncode:
            sys.exit("An ordinary user is not as well protected as the tutorial says.")

    def _comparing(self, what: str) -> list[str]:
        words = [str(self._python), "-m", "pytest", "-c", "/dev/null", "-p", "no:cacheprovider"]
        return [*words, "--nbval", "--nbval-current-env", "--nbval-cell-timeout=120", what]

    def account(self) -> str:
        """Return how much memory was taken; ends the rehearsal if anything was killed for it."""
        if kills := self._group.oom_kills():
            sys.exit(f"{kills} processes were killed: 1 GB is not enough.")
        return (
            f"memory: {self._lab_bytes / MB:.0f} MB for JupyterLab alone, at most "
            f"{self._most_bytes / MB:.0f} MB with a tutorial; "
            f"{(MEMORY_BYTES - self._most_bytes) / MB:.0f} MB of 1 GB left"
        )

    def _start(self, words: list[str], log: object) -> subprocess.Popen[bytes]:
        told = [str(self.UID), *self._group.directories, "--", str(self._clone / words[0])]
        return subprocess.Popen(
            [sys.executable, str(BINDERLIKE), *told, *words[1:]],
            cwd=self._clone,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=self._environment,
        )

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self._clone),
            "PATH": f"{self._python.parent}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
        }

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            self._most_bytes = max(self._most_bytes, self._group.memory_bytes())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _serves(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False
