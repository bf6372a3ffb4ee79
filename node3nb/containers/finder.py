"""Which engine is used: the first that answers, looked for again when it no longer does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from node3nb.config import EngineHints
from node3nb.containers.engine import Engine, EngineUnfit, examine, ping
from node3nb.containers.sources import colima, docker_context, docker_host, lima, sockets
from node3nb.containers.sources.candidate import Candidate

#: Seconds for which what was found is good enough.
FRESH_S = 5.0
#: Seconds between two questions to programs that list virtual machines.
PROGRAMS_S = 20.0
#: What is said where there is nothing to say.
NO_ENGINE = "No container engine was found; install Docker or Podman to run jobs in containers."
_Source = Callable[[EngineHints], Iterator[Candidate]]
#: Sources in the order in which they are believed.
QUICK: tuple[_Source, ...] = (
    docker_host.candidates,
    docker_context.candidates,
    sockets.candidates,
)
SLOW: tuple[_Source, ...] = (lima.candidates, colima.candidates)


@dataclass(frozen=True, slots=True)
class Found:
    """The engine that is used, or why there is none."""

    #: It; None for none.
    engine: Engine | None
    #: One sentence.
    reason: str


class Finder:
    """Finds the engine and notices when one comes or goes; used by many threads.

    Parameters
    ----------
    hints
        Where to look.
    start_lima
        Whether a stopped virtual machine of Lima's may be started.
    """

    def __init__(self, hints: EngineHints, *, start_lima: bool = False) -> None:
        self._hints = hints
        self._start_lima = start_lima
        self._lock = threading.Lock()
        self._found: Found | None = None
        self._looked = self._asked_programs = float("-inf")
        self._from_programs: list[Candidate] = []

    def find(self) -> Found:
        """Return what there is now; at most `FRESH_S` old."""
        with self._lock:
            now = time.monotonic()
            if self._found is None or now - self._looked >= FRESH_S:
                self._found = self._look(now)
                self._looked = time.monotonic()
            return self._found

    def doubt(self) -> None:
        """Have the next look be a new one: somebody has seen the engine fail."""
        with self._lock:
            self._looked = float("-inf")

    def _look(self, now: float) -> Found:
        known = self._found.engine if self._found else None
        if known is not None and ping(known.socket):
            return self._found or Found(known, "")
        problems = []
        for candidate in self._candidates(now):
            try:
                engine = _tried(candidate)
            except EngineUnfit as unfit:
                problems.append(f"{candidate.source} {unfit}.")
                if candidate.binding:
                    break
                continue
            return Found(engine, f"{engine.title} by {engine.source}")
        return Found(None, problems[0] if problems else NO_ENGINE)

    def _candidates(self, now: float) -> Iterator[Candidate]:
        for source in QUICK:
            yield from source(self._hints)
        if now - self._asked_programs >= PROGRAMS_S:
            self._asked_programs = now
            self._begin_lima()
            self._from_programs = [each for ask in SLOW for each in ask(self._hints)]
        yield from self._from_programs

    def _begin_lima(self) -> None:
        """Start a virtual machine beside us, once: it takes minutes."""
        if self._start_lima:
            self._start_lima = False
            threading.Thread(target=lima.start_stopped, args=(self._hints,), daemon=True).start()


def _tried(candidate: Candidate) -> Engine:
    if candidate.socket is None:
        raise EngineUnfit(candidate.problem)
    return examine(candidate)
