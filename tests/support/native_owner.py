"""A process that owns an executor, to be killed, forked and hung."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.native_jobs import PROGRAMS, processes_of, wait_until


class Owner:
    """The program `owner.py`, with one job running."""

    def __init__(self, area: Path, deed: str, timeout_s: float, supervisor: str = "") -> None:
        self.area = area
        self.mark = uuid.uuid4().hex
        command = [sys.executable, str(PROGRAMS / "owner.py"), str(area), self.mark]
        self.process = subprocess.Popen(
            [*command, str(timeout_s), deed, supervisor], stdout=subprocess.PIPE, text=True
        )
        assert self.hear() == {"ready": True}

    def hear(self) -> dict[str, Any]:
        """Wait for the next thing it tells."""
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def await_end(self) -> float:
        """Wait until nothing of the job is left; return how many seconds that took."""
        return wait_until(lambda: not processes_of(self.mark))


@contextmanager
def owner(area: Path, deed: str, timeout_s: float = 75, supervisor: str = "") -> Iterator[Owner]:
    owner = Owner(area, deed, timeout_s, supervisor)
    try:
        yield owner
    finally:
        owner.kill()
        owner.await_end()
        if owner.process.stdout is not None:
            owner.process.stdout.close()
