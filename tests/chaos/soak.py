"""Many jobs through one provider and one marketplace, with nothing going wrong: what grows?

`make soak` runs it.  It prints a row of figures for every thousandth job and fails on growth.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import psutil
from chaos import checks, jobs, processes
from chaos.hosts import Host, Place
from chaos.jobs import Kind
from chaos.market import Market
from chaos.sender import Sender

from node3nb.jobs import MIB
from node3nb.marketplace.client import MarketplaceClient
from node3nb.marketplace.protocol import JobStatus
from node3nb.supervisor import linux

#: Jobs between two rows, and jobs after which nothing may grow any more.
STEP = WARM = 1000
#: Kinds that take their time and nothing else.
SLOW = (Kind.LASTS, Kind.WORKS)
#: Seconds in which the jobs of one row have to end.
STEP_S = 900.0


@dataclass(frozen=True, slots=True)
class Row:
    """What there is after so many jobs.  Memory is in MiB."""

    jobs: int
    seconds: float
    kernel_fds: int
    kernel_threads: int
    kernel_mib: float
    keepers: int
    keepers_fds: int
    keepers_mib: float
    market_fds: int
    market_threads: int
    market_mib: float
    files: int


#: How much of each may be added after the first thousand jobs: calls and jobs come and go while
#: it is counted, and an allocator gives nothing back; a leak of 1 KiB or of a hundredth of a
#: descriptor for each job is beyond it.
SLACK = {
    "kernel_fds": 12,
    "kernel_threads": 6,
    "kernel_mib": 9.0,
    "keepers": 4,
    "keepers_fds": 40,
    "keepers_mib": 9.0,
    "market_fds": 12,
    "market_threads": 6,
    "market_mib": 9.0,
    "files": 20,
}


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
        self._jobs = [job for job in jobs.draw(0, count) if job.kind not in SLOW]
        self._began = time.monotonic()
        self._host = Host(url, Place(self._home, kernels, {}, wallet="wallet-0"), slots=2)
        self._sender = Sender(self._client, self._jobs)

    def rows(self) -> Iterator[Row]:
        """Yield what there is after every thousandth job, and after the last."""
        marks = [*range(STEP, len(self._jobs), STEP), len(self._jobs)]
        for mark in marks:
            self._await(mark)
            yield self._row(mark)

    def close(self) -> list[str]:
        """End it all; return what is wrong."""
        self._sender.close()
        self._host.close()
        self._market.close()
        processes.await_none(processes.left, "the soak")
        return checks.left_in_home(self._home)

    def _await(self, count: int) -> None:
        deadline = time.monotonic() + STEP_S
        while self._ended() < count:
            self._host.worker.check()
            assert time.monotonic() < deadline, f"{self._ended()} of {count} jobs have ended"
            time.sleep(0.5)

    def _ended(self) -> int:
        counts = self._client.status()["jobs"]
        return int(counts[JobStatus.COMPLETED]) + int(counts[JobStatus.FAILED])

    def _row(self, count: int) -> Row:
        kernel, keepers = self._host.processes()
        market = psutil.Process(self._market.process.pid)
        return Row(
            count,
            round(time.monotonic() - self._began, 1),
            kernel.num_fds(),
            kernel.num_threads(),
            _mib([kernel]),
            len(keepers),
            sum(map(_fds, keepers)),
            _mib(keepers),
            market.num_fds(),
            market.num_threads(),
            _mib([market]),
            sum(len(below) + len(files) for _, below, files in os.walk(self._home)),
        )


def _fds(process: psutil.Process) -> int:
    """Return the descriptors of a process; none of one that has just ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.num_fds())
    return 0


def _mib(of: list[psutil.Process]) -> float:
    """Return what no other process has of their memory: what is shared is counted for none."""
    total = 0
    for process in of:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().uss
    return round(total / MIB, 1)


def growth(rows: list[Row]) -> list[str]:
    """Return what has grown since the first thousand jobs, beyond its slack."""
    first = next(row for row in rows if row.jobs >= WARM)
    return [
        f"{name}: {getattr(first, name)} after {first.jobs} jobs, {getattr(rows[-1], name)} now"
        for name, slack in SLACK.items()
        if getattr(rows[-1], name) - getattr(first, name) > slack
    ]


def main() -> int:
    """Run, print the table, and return whether something grows or is left."""
    parser = argparse.ArgumentParser(prog="chaos.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    linux.adopt_orphans()
    directory = Path(tempfile.mkdtemp(prefix="n3c-"))
    os.environ["TMPDIR"] = tempfile.tempdir = str(directory)
    names = [field.name for field in fields(Row)]
    print(*names)
    rows: list[Row] = []
    try:
        soak = Soak(directory, options.jobs)
        for row in soak.rows():
            rows.append(row)
            print(*(f"{getattr(row, name):>{len(name)}}" for name in names))
        wrong = soak.close() + growth(rows)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
