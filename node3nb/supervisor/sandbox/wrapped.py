"""A sandbox that bubblewrap builds: a process that waits for its job and becomes bubblewrap.

Nothing is built ahead, since bubblewrap has to know the job's directories when it starts.  Inside
it, a fresh Python is the namespace's first process; it reads this package through a descriptor,
so that nothing of it is in the job's view, and forks the job's own process, which locks itself in
as it does in a sandbox of ours.
"""

from __future__ import annotations

import os
import select
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from node3nb.supervisor import limits, linux, proc
from node3nb.supervisor.frames import encode
from node3nb.supervisor.sandbox import bubblewrap
from node3nb.supervisor.sandbox.build import Pipes, Sandbox
from node3nb.supervisor.sandbox.children import receive, tell, told
from node3nb.supervisor.sandbox.setup import READY, UNPREPARED, WITHIN, Setup

#: Directory that this package is in, and what of it is run inside.
PLACE = Path(__file__).parents[3]
PROGRAM = "node3nb/supervisor/sandbox/within.py"
#: Bytes of what bubblewrap says when it fails.
MOST_WORDS = 4096


class Wrapped(Sandbox):
    """The keeper's side of a sandbox that bubblewrap builds."""

    def __init__(self, top: int, pipes: Pipes, words: int) -> None:
        super().__init__(top, pipes, inside=True)
        self._words = words
        self._held.add(words)

    def _find(self) -> None:
        """Find nobody: the process that waits becomes bubblewrap."""

    def outcome(self) -> tuple[object, ...]:
        """Return what became of the job's start; bubblewrap's own words when it failed."""
        failure = super().outcome()
        said = os.read(self._words, MOST_WORDS) if _is_readable(self._words) else b""
        if not failure and not said.endswith(WITHIN):
            return UNPREPARED, 0, said.decode(errors="replace").strip() or "bubblewrap has ended"
        if not failure:
            self._find_main()
        return failure

    def _find_main(self) -> None:
        """Find the first process inside and the job's own, while they live."""
        for pid in proc.children(self.top):
            self.first = pid
            self.main = next(iter(proc.children(pid)), self.main)


def _is_readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


def build(setup: Setup) -> Wrapped:
    """Have a process wait for the job, which is bubblewrap's to build a sandbox for.

    Raises
    ------
    OSError
        It could not be forked.
    """
    pipes, words = Pipes(), os.pipe()
    top = os.fork()
    if top:
        pipes.outside()
        os.close(words[1])
        return Wrapped(top, pipes, words[0])
    try:
        _become_bubblewrap(setup, pipes, words[1])
    except BaseException as error:  # noqa: BLE001 - the keeper has to know, whatever it is
        tell(pipes.report[1], UNPREPARED, *told(error))
    os._exit(1)


def _become_bubblewrap(setup: Setup, pipes: Pipes, words: int) -> None:
    os.setsid()
    linux.die_with_parent()
    limits.die_first()
    ends = pipes.ends()
    tell(ends.report, READY)
    job = receive(ends.go)
    if job is None:
        return
    texts = {path: _file(text.encode()) for path, text in bubblewrap.texts(setup, job).items()}
    asked = _file("\0".join(bubblewrap.options(setup, job, texts)).encode() + b"\0")
    place = os.open(PLACE, os.O_PATH)
    handed = (ends.stdout, ends.stderr, ends.report, _file(encode(job)), pipes.status[1])
    described = _file(encode({"setup": setup.to_frame()}))
    inside = (place, described, *handed)
    nothing = os.open(os.devnull, os.O_RDWR)
    for target, fd in enumerate((nothing, nothing, words)):
        os.dup2(fd, target)
    _execute(setup, asked, inside, (*texts.values(), asked, *inside))


def _execute(setup: Setup, asked: int, inside: Sequence[int], kept: Sequence[int]) -> NoReturn:
    """Become bubblewrap, with no descriptors but the standard ones and those it needs."""
    for fd in kept:
        os.set_inheritable(fd, True)
    python = (setup.plan.python, "-I", "-S", "-B", f"/proc/self/fd/{inside[0]}/{PROGRAM}")
    command = (*setup.bubblewrap, "--args", str(asked), "--", *python, *map(str, inside))
    os.execve(command[0], command, {})  # noqa: S606 - a list, never a shell


def _file(content: bytes) -> int:
    """Return a descriptor of a file without a name, to be read from its start."""
    fd = os.memfd_create("node3nb", os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
