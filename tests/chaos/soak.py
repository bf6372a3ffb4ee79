"""Many jobs through one provider and one marketplace, with nothing going wrong: what grows?

`make soak` runs it.  It prints a row of figures after every few hundred jobs, and fails on growth:
`growth.py` says what that is, and `census.py` what is counted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from chaos import census, checks, jobs, processes
from chaos.growth import Row, growth
from chaos.hosts import Host, Place
from chaos.jobs import Kind
from chaos.market import Market
from chaos.sender import Sender

from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.wire.protocol import JobStatus
from node3nb.supervisor import linux

#: Jobs between two rows of figures.
STEP = 500
#: Kinds that are sent: the others take their time and nothing else.
QUICK = (
    Kind.PRINTS,
    Kind.WRITES,
    Kind.READS,
    Kind.FAILS,
    Kind.DIES,
    Kind.OUTGROWS,
    Kind.TALKS,
)
#: Seconds in which the jobs of one row have to end.
STEP_S = 900.0


class Soak:
    """One marketplace, one provider, one sender.

    Parameters
    ----------
    directory
        Where everything is kept.
    count
        How many jobs.
    """

    def __init__(self, directory: Path, count: int) -> None:
        self._home = directory / "p0"
        kernels = directory / "k0"
        for path in (self._home, kernels):
            path.mkdir(mode=0o700)
        self._market = Market(directory / "market")
        url = f"http://127.0.0.1:{self._market.port()}"
        self._client = MarketplaceClient(url, self._market.keys["consumer"])
        drawn = jobs.draw(0, count + count // 10, without=jobs.IN_CONTAINERS)
        self._jobs = [job for job in drawn if job.kind in QUICK][:count]
        self._began = time.monotonic()
        self._host = Host(url, Place(self._home, kernels, {}, wallet="wallet-0"), slots=2)
        self._sender = Sender(self._client, self._jobs)

    def rows(self) -> Iterator[Row]:
        """Yield what there is after every few hundred jobs, and after the last."""
        marks = [*range(STEP, len(self._jobs), STEP), len(self._jobs)]
        for mark in marks:
            self._await(mark)
            yield self._row()

    def close(self) -> list[str]:
        """End it all; return what is wrong."""
        self._sender.close()
        self._host.close()
        self._market.close()
        processes.await_none(processes.left, "the soak")
        return checks.left_in_home(self._home) + checks.left_groups(self._host.keepers)

    def _await(self, count: int) -> None:
        deadline = time.monotonic() + STEP_S
        while self._ended() < count:
            self._host.worker.check()
            assert time.monotonic() < deadline, f"{self._ended()} of {count} jobs have ended"
            time.sleep(0.5)

    def _ended(self) -> int:
        counts = self._client.status()["jobs"]
        return int(counts[JobStatus.COMPLETED]) + int(counts[JobStatus.FAILED])

    def _row(self) -> Row:
        figures = census.count(self._host, self._market.process.pid, self._home)
        return Row(self._ended(), time.monotonic() - self._began, figures)


def told(rows: Iterable[Row]) -> Iterator[Row]:
    """Print rows as they come, below the kinds of process and what is counted of each."""
    for number, row in enumerate(rows):
        if not number:
            names = [name.rpartition(".") for name in row.figures]
            print(_line("", "", *(kind for kind, _, _ in names)))
            print(_line("jobs", "seconds", *(what for _, _, what in names)))
        print(_line(row.jobs, round(row.seconds), *map(round, row.figures.values())))
        yield row


def _line(*cells: object) -> str:
    return "".join(f"{cell:>11}" for cell in cells)


def main() -> int:
    """Run, print the table, and return whether something grows or is left."""
    parser = argparse.ArgumentParser(prog="chaos.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    linux.adopt_orphans()
    directory = Path(tempfile.mkdtemp(prefix="n3c-"))
    os.environ["TMPDIR"] = tempfile.tempdir = str(directory)
    try:
        soak = Soak(directory, options.jobs)
        wrong = growth(list(told(soak.rows())))
        wrong += soak.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
