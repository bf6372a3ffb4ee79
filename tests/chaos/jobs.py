"""The jobs of a run: of mixed kind, each with what has to become of it."""

from __future__ import annotations

import enum
import hashlib
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from node3nb.jobs import MIB, ExitReason, Isolation, JobResult, JobState

#: Acceptances a job may have: more than there are faults that can meet it.
MAX_ATTEMPTS = 50
#: Rewards are so many sixty-fourths: sums of them are exact.
SHARE = 64
#: Memory of a job that takes more.
LITTLE_BYTES = 48 * MIB


class Kind(enum.StrEnum):
    """What a job does."""

    PRINTS = "prints"
    WRITES = "leaves outputs"
    READS = "reads an input"
    FAILS = "exits with 3"
    DIES = "dies of a signal"
    LASTS = "never ends"
    OUTGROWS = "takes too much memory"
    TALKS = "prints much"
    WORKS = "takes long"
    CONTAINED = "leaves outputs in a container"
    FAILS_CONTAINED = "exits with 3 in a container"


#: Kinds that only a provider with an engine runs.
IN_CONTAINERS = frozenset({Kind.CONTAINED, Kind.FAILS_CONTAINED})
#: How many of a hundred jobs are of each kind; the others print a line.
SHARES = {
    Kind.WRITES: 20,
    Kind.READS: 10,
    Kind.FAILS: 10,
    Kind.DIES: 4,
    Kind.LASTS: 3,
    Kind.OUTGROWS: 3,
    Kind.TALKS: 4,
    Kind.WORKS: 1,
    Kind.CONTAINED: 2,
    Kind.FAILS_CONTAINED: 1,
}
_WRITES = "import os; open(os.environ['OUTPUT_DIR'] + '/part', 'w').write('{n}\\n' * {n})"
_PROGRAMS = {
    Kind.PRINTS: "print({n})",
    Kind.WRITES: _WRITES,
    Kind.READS: (
        "import hashlib, os; data = open(os.environ['INPUT_DIR'] + '/data.bin', 'rb').read(); "
        "print(hashlib.sha256(data).hexdigest())"
    ),
    Kind.FAILS: "raise SystemExit(3)",
    Kind.DIES: "import os; os.kill(os.getpid(), 9)",
    Kind.LASTS: "import time; time.sleep(70)",
    Kind.OUTGROWS: "kept = [bytes(1 << 20) for _ in range(1 << 10)]",
    Kind.TALKS: "for i in range(20000): print('line', i, 'of', {n})",
    Kind.WORKS: "import time; time.sleep(6); print({n})",
    Kind.CONTAINED: f"{_WRITES}; import time; time.sleep(0.5); print({{n}})",
    Kind.FAILS_CONTAINED: "import time; time.sleep(0.5); raise SystemExit(3)",
}
_REASONS = {
    Kind.FAILS: ExitReason.EXITED,
    Kind.FAILS_CONTAINED: ExitReason.EXITED,
    Kind.DIES: ExitReason.SIGNALED,
    Kind.LASTS: ExitReason.TIMED_OUT,
    Kind.OUTGROWS: ExitReason.OUT_OF_MEMORY,
}


@dataclass(frozen=True, slots=True)
class Job:
    """One job, and what has to become of it."""

    #: Its number in the run, from 1.
    number: int
    #: What it does.
    kind: Kind
    #: What it pays.
    reward: float
    #: Its input; None for none.
    input: bytes | None = None
    #: The submission.
    wire: dict[str, Any] = field(default_factory=dict)

    @property
    def ends(self) -> tuple[JobState, ExitReason]:
        """How it has to end, whatever happens around it."""
        if self.kind in _REASONS:
            return JobState.FAILED, _REASONS[self.kind]
        return JobState.COMPLETED, ExitReason.EXITED

    @property
    def outputs(self) -> dict[str, str]:
        """The files it has to leave, with their content."""
        writes = self.kind in {Kind.WRITES, Kind.CONTAINED}
        return {"part": f"{self.number}\n" * self.number} if writes else {}

    def complaint(self, result: JobResult) -> str:
        """Return what is wrong with how it ended; empty when nothing is."""
        if (result.state, result.reason) != self.ends:
            return f"it should be {self.ends}: {result}"
        if result.reason is ExitReason.EXITED and result.exit_code != (0 if result.ok else 3):
            return f"it exits with {result.exit_code}"
        if self.kind in IN_CONTAINERS and result.executor != "container":
            return f"it ran by {result.executor!r}"
        if self._prints and not result.stdout.endswith(self._prints):
            return f"it printed {result.stdout[-200:]!r}"
        return ""

    @property
    def _prints(self) -> str:
        """The end of what it prints; empty is not known."""
        if self.kind in {Kind.PRINTS, Kind.WORKS, Kind.CONTAINED}:
            return f"{self.number}\n"
        if self.kind is Kind.READS:
            return hashlib.sha256(self.input or b"").hexdigest() + "\n"
        return f"line 19999 of {self.number}\n" if self.kind is Kind.TALKS else ""


def draw(seed: int, count: int, *, without: Collection[Kind] = ()) -> list[Job]:
    """Return the jobs of a run: the shares are exact, their order is drawn.

    Parameters
    ----------
    seed, count
        What they are drawn from, and how many.
    without
        Kinds that no provider of the run could run.
    """
    dice = random.Random(seed)
    kinds = _shares(count, [kind for kind in SHARES if kind not in without])
    dice.shuffle(kinds)
    return [_job(number, kind, dice) for number, kind in enumerate(kinds, 1)]


def _shares(count: int, others: Sequence[Kind]) -> list[Kind]:
    """Return so many kinds by their shares, one of each at least; the plainest fills up."""
    kinds = [kind for kind in others for _ in range(max(1, count * SHARES[kind] // 100))]
    return kinds + [Kind.PRINTS] * (count - len(kinds))


def _job(number: int, kind: Kind, dice: random.Random) -> Job:
    reward = dice.randrange(1, 10 * SHARE) / SHARE
    wire: dict[str, Any] = {
        "command": ["python", "-c", _PROGRAMS[kind].replace("{n}", str(number))],
        "reward": reward,
        "max_attempts": MAX_ATTEMPTS,
        "timeout": 1.0 if kind is Kind.LASTS else 60.0,
        "requirements": {"memory_bytes": LITTLE_BYTES if kind is Kind.OUTGROWS else 256 * MIB},
    }
    if kind in IN_CONTAINERS:
        wire["requirements"]["isolation"] = Isolation.CONTAINER
    if kind is not Kind.READS:
        return Job(number, kind, reward, wire=wire)
    wire |= {"awaits_input": True, "input_name": "data.bin"}
    return Job(number, kind, reward, dice.randbytes(dice.randrange(1, 200_000)), wire)
