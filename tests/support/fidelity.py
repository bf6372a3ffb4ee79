"""Runs one program twice: in an interpreter of its own, and in a fork of a warm one."""

from __future__ import annotations

import marshal
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from node3nb.supervisor.warm import script

SCRIPTS = Path(__file__).parents[1] / "fidelity" / "scripts"
WARM_FORK = Path(__file__).parent / "warm_fork.py"
#: Far beyond what any of the programs takes, on the slowest machine.
PATIENCE_S = 60.0


ADDRESS = re.compile("0x[0-9a-f]{8,}")


@dataclass(frozen=True)
class Case:
    """A program, and what it is started with."""

    name: str
    #: What follows `python`.
    arguments: tuple[str, ...]
    stdin: bytes = b""
    #: Where standard output goes: "file", "full" (/dev/full) or "broken" (a pipe nobody reads).
    stdout: str = "file"
    env: dict[str, str] = field(default_factory=dict)
    #: Whether it runs in the directory of the scripts, not in an empty one.
    among_scripts: bool = False


@dataclass(frozen=True)
class Ended:
    """What can be seen of a program from outside."""

    stdout: str
    stderr: str
    #: Exit code, or the negative number of the signal.
    code: int


class Harness(Protocol):
    """One way to run a case cold and warm."""

    def run(self, case: Case, *, warm: bool) -> Ended:
        """Run it in an empty working directory."""


class WarmForks:
    """Forks of one warm interpreter, without any sandbox around them."""

    def __init__(self, area: Path, preload: tuple[str, ...] = ()) -> None:
        self._area = area
        self._preloaded = bool(preload)
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(PATIENCE_S)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, WARM_FORK, *preload], stdin=theirs, env=self._env({})
            )

    def run(self, case: Case, *, warm: bool) -> Ended:
        cwd = self._area / "job"
        shutil.rmtree(cwd, ignore_errors=True)
        (cwd / "tmp").mkdir(parents=True)
        argv = (sys.executable, *case.arguments)
        with self._descriptors(case) as fds:
            env = self._env(case.env)
            warm = warm and script.wants(argv, env, sys.executable, self._preloaded)
            start = self._fork if warm else self._spawn
            code = start(argv, env, str(SCRIPTS if case.among_scripts else cwd), fds)
        stdout, stderr = self._area / "stdout", self._area / "stderr"
        return Ended(_text(stdout), _text(stderr), code)

    def close(self) -> None:
        self._socket.close()
        self._server.wait(PATIENCE_S)

    def _env(self, added: dict[str, str]) -> dict[str, str]:
        cwd = self._area / "job"
        given = {"LANG": "C.UTF-8", "PATH": os.defpath, "HOME": str(cwd), "TMPDIR": f"{cwd}/tmp"}
        return given | {"GIVEN": "by the test"} | added

    @contextmanager
    def _descriptors(self, case: Case) -> Iterator[tuple[int, int, int]]:
        (self._area / "stdin").write_bytes(case.stdin)
        (self._area / "stdout").write_bytes(b"")
        with (
            open(self._area / "stdin", "rb") as stdin,
            open(self._stdout(case), "wb") as stdout,
            open(self._area / "stderr", "wb") as stderr,
        ):
            if case.stdout == "broken":
                _break(stdout.fileno())
            yield stdin.fileno(), stdout.fileno(), stderr.fileno()

    def _stdout(self, case: Case) -> str:
        return "/dev/full" if case.stdout == "full" else str(self._area / "stdout")

    def _spawn(
        self, argv: tuple[str, ...], env: dict[str, str], cwd: str, fds: tuple[int, int, int]
    ) -> int:
        stdin, stdout, stderr = fds
        process = subprocess.Popen(
            argv,
            env=env,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            return process.wait(PATIENCE_S)
        finally:
            _end_session(process.pid)

    def _fork(
        self, argv: tuple[str, ...], env: dict[str, str], cwd: str, fds: tuple[int, int, int]
    ) -> int:
        socket.send_fds(self._socket, [marshal.dumps((argv, env, cwd))], fds)
        pid = marshal.loads(self._socket.recv(64))
        try:
            return os.waitstatus_to_exitcode(marshal.loads(self._socket.recv(64)))
        finally:
            _end_session(pid)


def _end_session(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def _break(fd: int) -> None:
    """Make the descriptor one end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.dup2(writer, fd)
    os.close(writer)
    os.close(reader)


def _text(path: Path) -> str:
    """Return what was written, with the same address for everything."""
    return ADDRESS.sub("0x", path.read_bytes().decode("utf-8", "backslashreplace"))
