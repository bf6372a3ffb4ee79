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

from support.native_jobs import PROGRAMS, wait_until
from support.native_traces import Trace

from node3nb.jobs import Isolation


class Owner:
    """The program `owner.py`, with one job running."""

    def __init__(
        self, area: Path, deed: str, timeout_s: float, isolation: str, supervisor: str
    ) -> None:
        mark = uuid.uuid4().hex
        command = [sys.executable, str(PROGRAMS / "owner.py"), str(area), mark, str(timeout_s)]
        self.process = subprocess.Popen(
            [*command, deed, isolation, supervisor], stdout=subprocess.PIPE, text=True
        )
        assert self.hear() == {"ready": True}
        #: By what its job is known.
        self.trace = Trace.of(mark, area / "place" / "job")

    def hear(self) -> dict[str, Any]:
        """Wait for the next thing it tells."""
        assert self.process.stdout is not None
        return dict(json.loads(self.process.stdout.readline()))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def await_end(self) -> float:
        """Wait until nothing of the job is left; return how many seconds that took."""
        return wait_until(lambda: not self.trace.living())


@contextmanager
def owner(
    area: Path,
    deed: str,
    timeout_s: float = 75,
    isolation: Isolation | None = None,
    supervisor: str = "",
) -> Iterator[Owner]:
    owner = Owner(area, deed, timeout_s, isolation or "", supervisor)
    try:
        yield owner
    finally:
        owner.kill()
        owner.await_end()
        if owner.process.stdout is not None:
            owner.process.stdout.close()
