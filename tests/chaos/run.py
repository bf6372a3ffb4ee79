"""One run: `python -m chaos.run`, in a process of its own that adopts all it has started."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from chaos import checks, jobs, processes, schedule
from chaos.engine import Engine
from chaos.faults import Faults
from chaos.hosts import Host, Place
from chaos.market import Market
from chaos.proxy import Line, Lines
from chaos.schedule import WITH_CONTAINERS, Fault
from chaos.sender import Sender
from support import engines, postgresql
from support.engines import PLAIN
from support.postgresql import PostgreSQLServer
from support.small_disk import Disk

from node3nb.errors import MarketplaceError
from node3nb.jobs import JobState
from node3nb.marketplace.artifacts.keeper import SILENCE_S
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings
from node3nb.marketplace.wire.protocol import JobStatus
from node3nb.supervisor import linux

PROVIDERS = 3
#: Seconds between two looks at how far the run is.
LOOK_S = 0.25
#: Seconds by which the second provider's clock is wrong.
CLOCK_S = 600
CLOCK = Path(__file__).parents[1] / "programs" / "clock_ahead.c"
#: Seconds the marketplace gets to remove the files that nothing needs.
TIDY_S = 30.0
#: Statuses of jobs that nothing happens to any more.
FINAL = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


class Run:
    """A marketplace, its providers, and all that goes wrong with them.

    Parameters
    ----------
    options
        What was asked for on the command line.
    directory
        Where everything is kept.
    server
        A server for the marketplace's database; None is SQLite.
    own
        What ends with the run.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        directory: Path,
        server: PostgreSQLServer | None,
        own: contextlib.ExitStack,
    ) -> None:
        self._began = time.monotonic()
        self._deadline = self._began + options.limit_s
        self._directory = directory
        self._homes = [directory / f"p{number}" for number in range(PROVIDERS)]
        for home in (*self._homes, directory / "tmp"):
            home.mkdir(mode=0o700)
        os.environ["TMPDIR"] = tempfile.tempdir = str(directory / "tmp")
        self._disk = Disk(self._homes[0])
        own.callback(self._disk.close)
        self._for_engine = own.enter_context(contextlib.ExitStack())
        self._engine = self._begin_engine(options.images or directory)
        contained = () if self._engine else jobs.IN_CONTAINERS
        self._jobs = jobs.draw(options.seed, options.jobs, without=contained)
        self._plan = schedule.plan(
            options.seed,
            options.jobs,
            options.faults,
            PROVIDERS,
            without=self._impossible(server),
        )
        self._market = Market(directory / "market", server)
        self._lines = Lines()
        self._ways = [
            Line(self._lines, self._market.port, options.seed + number)
            for number in range(PROVIDERS + 1)
        ]
        self._sender = Sender(self._client(self._ways[-1].port), self._jobs)
        self._hosts = [self._host(number, options.seed) for number in range(PROVIDERS)]
        self._faults = Faults(self._hosts, self._ways, self._market, self._disk, self._engine)

    def _begin_engine(self, images: Path) -> Engine | None:
        """Start an engine that sees the first provider's disk; a laptop may have none."""
        try:
            process = engines.running("docker", images)
            return Engine(self._for_engine.enter_context(process))
        except pytest.skip.Exception as lacking:
            print(f"no job runs in a container: {lacking}")
            return None

    def _impossible(self, server: PostgreSQLServer | None) -> tuple[Fault, ...]:
        """Return the faults that nothing here can have."""
        without_database = () if server else (Fault.DATABASE_KILLED,)
        return without_database + (() if self._engine else WITH_CONTAINERS)

    def _host(self, number: int, seed: int) -> Host:
        kernels = self._directory / f"k{number}"
        kernels.mkdir()
        env = self._wrong_clock(seed) if number == 1 else {}
        image = ""
        if number == 0 and self._engine is not None:
            env, image = self._engine.env, PLAIN
        place = Place(self._homes[number], kernels, env, wallet=f"wallet-{number}", image=image)
        return Host(self._ways[number].url, place, slots=2)

    def _wrong_clock(self, seed: int) -> dict[str, str]:
        library = self._directory / "clock.so"
        command = ["gcc", "-shared", "-fPIC", "-O2", "-o", str(library), str(CLOCK)]
        subprocess.run(command, check=True)
        ahead_s = random.Random(seed).choice((-CLOCK_S, CLOCK_S))
        return {"LD_PRELOAD": str(library), "CLOCK_AHEAD_S": str(ahead_s)}

    def _client(self, port: int) -> MarketplaceClient:
        return MarketplaceClient(f"http://127.0.0.1:{port}", self._market.keys["consumer"])

    def go(self) -> None:
        """Have everything go wrong, and wait until every job has ended all the same."""
        waiting = list(self._plan)
        while (ended := self._ended()) < len(self._jobs):
            while waiting and waiting[0].after <= ended:
                print(f"{time.monotonic() - self._began:8.1f}: {ended:>5} ended; {waiting[0]}")
                self._faults.do(waiting.pop(0))
            self._faults.check()
            assert time.monotonic() < self._deadline, f"time is up: {self._counts()}"
            time.sleep(LOOK_S)
        assert not waiting, waiting

    def _ended(self) -> int:
        counts = self._counts()
        return sum(int(counts.get(status, 0)) for status in FINAL)

    def _counts(self) -> dict[str, int]:
        """Return how many jobs there are of each status; none while the marketplace is down."""
        try:
            return dict(self._client(self._market.port()).status()["jobs"])
        except MarketplaceError:
            return {}

    def complaints(self) -> Iterator[str]:
        """End everything in order; yield what is wrong with what it leaves."""
        self._faults.settle()
        self._sender.close()
        client = self._client(self._market.port())
        yield from checks.results(client, self._sender.ids, self._jobs)
        for host in self._hosts:
            host.deliver()
        for host in self._hosts:
            host.close()
        if self._engine is not None:
            yield from self._engine.complaints()
        self._for_engine.close()
        self._market.stop()
        yield from self._books()
        self._market.close()
        for line in self._ways:
            line.close()
        self._lines.close()
        self._faults.close()
        processes.await_none(processes.left, "the run")
        yield from self._leftovers()

    def _books(self) -> Iterator[str]:
        books = checks.Books(self._market.database)
        yield from books.complaints(self._jobs, PROVIDERS)
        earned = books.earned()
        for number, home in enumerate(self._homes):
            owners, theirs = checks.owners_earned(home), earned.get(f"wallet-{number}")
            if owners != (theirs or checks.Earned(0, 0.0)):
                yield f"provider {number} has written down {owners}, the marketplace {theirs}"
        due = sum(job.reward for job in self._jobs if job.ends[0] == JobState.COMPLETED)
        paid = sum(each.rewards for each in earned.values())
        if paid != due:
            yield f"paid is {paid}, due was {due}"
        yield from self._files(books)
        self._tell_taken(books.taken())
        books.close()

    def _tell_taken(self, taken: Mapping[str, int]) -> None:
        """Print how often jobs were taken, to show that faults have met some."""
        contained = [job.number for job in self._jobs if job.kind in jobs.IN_CONTAINERS]
        times = sum(taken[self._sender.ids[number]] for number in contained)
        print(f"taken {sum(taken.values())} times; {len(contained)} in containers {times} times")

    def _files(self, books: checks.Books) -> Iterator[str]:
        """Have the marketplace clear up, as it does when an upload was silent for an hour."""
        settings = Settings(self._market.data_dir, self._market.database, tidy_s=0.1)
        with running(settings, lambda: time.time() + SILENCE_S + LOOK_S):
            deadline = time.monotonic() + TIDY_S
            while (left := self._untidy(books)) and time.monotonic() < deadline:
                time.sleep(LOOK_S)
        yield from left

    def _untidy(self, books: checks.Books) -> list[str]:
        found = checks.left_at_market(self._market.data_dir, books.files())
        charged, kept = books.charged()
        wrong = [] if charged == kept else [f"{charged} are charged, {kept} kept"]
        return [*(f"the marketplace's file {path}" for path in found), *wrong]

    def _leftovers(self) -> Iterator[str]:
        for home in self._homes:
            yield from (f"left in a home: {path}" for path in checks.left_in_home(home))
        yield from (f"left: {path}" for path in (self._directory / "tmp").iterdir())
        keepers = set().union(*(host.keepers for host in self._hosts))
        yield from (f"left group: {path}" for path in checks.left_groups(keepers))
        yield from (f"left socket: {line}" for line in checks.left_sockets(self._directory))

    def tell(self) -> None:
        """Print what the providers say, for a run that went wrong."""
        for number, host in enumerate(self._hosts):
            try:
                print(f"provider {number}:\n{host.told()}")
            except Exception as error:
                print(f"provider {number} says nothing: {error!r}")


def main() -> int:
    """Run, and return whether something was wrong."""
    parser = argparse.ArgumentParser(prog="chaos.run", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4)))
    parser.add_argument("--limit-s", type=float, default=290.0)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--images", type=Path, help="where the image is made; a passing place")
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)
    print(f"CHAOS_SEED={options.seed}")
    linux.adopt_orphans()
    began = time.monotonic()
    with contextlib.ExitStack() as own:
        server = None if options.database == "sqlite" else own.enter_context(postgresql.running())
        directory = Path(own.enter_context(tempfile.TemporaryDirectory(prefix="n3c-")))
        run = Run(options, directory, server, own)
        try:
            run.go()
            wrong = list(run.complaints())
        except BaseException:
            run.tell()
            raise
    print(*wrong, sep="\n")
    print(f"{options.jobs} jobs, {options.faults} faults, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
