"""One job, watched from outside its sandbox from its start to its account."""

from __future__ import annotations

import resource
import selectors
import time
from typing import Protocol

from node3nb.supervisor import disk, proc, streams, verdict, watch
from node3nb.supervisor.berth import Berth
from node3nb.supervisor.frames import Frame
from node3nb.supervisor.ladder import Ladder, terminate
from node3nb.supervisor.orders import Grant, Order
from node3nb.supervisor.room import RoomWatch
from node3nb.supervisor.sandbox.setup import UNSTARTED
from node3nb.supervisor.streams import Selector
from node3nb.supervisor.watch import Cause, Watch

#: Seconds between two reports of a running job's usage.
USAGE_S = 1.0
#: What a fork may grow beyond its sandbox's process before it has become another program.
FORK_BYTES = 4 << 20
#: No program takes less: a smaller figure was taken before it was itself.
LEAST_BYTES = 1 << 20
_READ = selectors.EVENT_READ


class Tell(Protocol):
    """The way to whoever wants to know of the job."""

    def __call__(self, frame: Frame, *, droppable: bool = False) -> None:
        """Tell it."""


class Keeper:
    """Starts the job of one sandbox, watches it, ends it and accounts for it.

    It never waits: who has it calls `turn` at least every `wait_s` seconds, kills the job once it
    is `exhausted`, and asks for the `report` when nothing of the job lives any more.
    """

    def __init__(
        self, order: Order, grant: Grant, berth: Berth, selector: Selector, tell: Tell
    ) -> None:
        self._order = order
        self._grant = grant
        self._sandbox = berth.sandbox
        self._berth = berth
        self._selector = selector
        self._send = tell
        self._ladder = Ladder(order.grace_s)
        self._room = RoomWatch(order)
        self._watch = Watch(order, berth.root, berth.shm, berth.group)
        self._streams = streams.both(order, berth.sandbox.stdout, berth.sandbox.stderr, selector)
        self._listens = self._is_fork = False
        self._parked_bytes = 0
        self._survey: disk.Survey | None = None
        self._failure: verdict.Failure | None = None
        self._launched = self._started = self._started_at = 0.0
        self._watch_due = self._usage_due = 0.0

    def begin(self) -> None:
        """Let the job go."""
        self._listens = True
        self._selector.register(self._sandbox.report, _READ, self._hear_launch)
        for stream in self._streams:
            stream.start()
        self._launched = time.monotonic()
        self._watch_due = self._launched + watch.TREE_S
        parked = proc.look(self._sandbox.main) if proc.MOUNTED else None
        self._parked_bytes = parked.memory_bytes if parked else 0
        message = self._berth.message(self._order, self._grant)
        self._is_fork = message["warm"]
        self._sandbox.go(message)

    def wait_s(self) -> float:
        """Return in how many seconds there is something to do, at the most."""
        now = time.monotonic()
        return self._ladder.wait_s(now, max(0.0, self._watch_due - now))

    def turn(self) -> None:
        """Measure what is due."""
        now = time.monotonic()
        if now >= self._watch_due:
            self._measure(now)
            self._watch_due = now + self._watch.pause_s

    @property
    def exhausted(self) -> bool:
        """Whether the job has to be killed now."""
        return self._ladder.exhausted(time.monotonic())

    def cancel(self) -> None:
        """Ask the job to end."""
        now = time.monotonic()
        self._ladder.ask(Cause("cancelled", "The job was cancelled."), self._terminate, now)

    def lose(self) -> None:
        """End the job, since nobody wants it any more."""
        self._ladder.kill(Cause("lost", "The provider that ran the job is gone."), time.monotonic())

    def _hear_launch(self) -> None:
        """Learn whether the program has started: silence is success."""
        self._listens = False
        failure = self._sandbox.outcome()
        self._selector.unregister(self._sandbox.report)
        self._sandbox.close_report()
        if failure:
            what, number, words = failure
            self._failure = verdict.Failure(what == UNSTARTED, int(str(number)), str(words))
            return
        now = time.monotonic()
        self._started, self._started_at = now, time.time()
        self._watch.look_at(self._berth.root, self._berth.shm)
        self._watch_due = now + self._watch.pause_s
        self._tell(
            "started",
            started_at=self._started_at,
            startup_ms=self._startup_ms(),
            main=self._sandbox.main,
        )

    def _startup_ms(self) -> float:
        return self._started * 1e3 - self._order.asked_ns / 1e6

    def _terminate(self) -> None:
        terminate(self._sandbox.main)

    def _measure(self, now: float) -> None:
        self._room.look()
        cause = self._watch.check(now) if self._started else None
        for stream in self._streams:
            stream.refill(now)
            cause = cause or stream.flood()
        if cause:
            self._ladder.kill(cause, now)
        elif now - (self._started or self._launched) > self._order.timeout_s:
            limit = f"The job ran longer than its limit of {self._order.timeout_s:g} s."
            self._ladder.ask(Cause("timed_out", limit), self._terminate, now)
        if now >= self._usage_due:
            self._usage_due = now + USAGE_S
            self._tell_usage()

    def _tell_usage(self) -> None:
        self._send(
            {
                "event": "usage",
                "job": self._order.job,
                "memory_bytes": self._watch.memory_bytes,
                "cpu_s": self._watch.cpu_s,
            },
            droppable=True,
        )

    def _tell(self, event: str, **facts: object) -> None:
        self._send({"event": event, "job": self._order.job, **facts})

    def count(self) -> bool:
        """Go on counting what the ended job has left on the disk; return whether that is done."""
        if self._survey is None:
            self._survey = disk.Survey(self._order.writable, self._order.disk_files)
        return self._survey.advance(time.monotonic() + watch.DISK_SLICE_S)

    def close(self) -> None:
        """Let go of the logs of a job that nobody accounts for."""
        for stream in self._streams:
            stream.close()

    def report(self, status: int | None, used: resource.struct_rusage) -> None:
        """Give the account, once all is counted.

        Parameters
        ----------
        status
            Wait status of the job's process; None when nobody knows.
        used
            What the job's processes have used.
        """
        if self._listens:
            self._hear_launch()
        now = time.monotonic()
        for stream in self._streams:
            stream.finish(now)
        self._tell("ended", **self._account(now, status, used))

    def _account(
        self, now: float, status: int | None, used: resource.struct_rusage
    ) -> dict[str, object]:
        written = self._survey.so_far if self._survey else disk.Written()
        cause = self._ladder.cause or self._watch.killed_for_memory()
        peak = max(self._watch.peak_memory_bytes, self._largest(used.ru_maxrss << 10))
        account = verdict.Account(
            status=status,
            failure=self._failure,
            peak_memory_bytes=peak,
            written=written,
            cause=cause,
            last_words=self._streams[1].log.last_line,
            room=self._room.seen(stream.log for stream in self._streams),
        )
        return {
            **verdict.ending(self._order, account),
            "started_at": self._started_at,
            "startup_ms": self._startup_ms() if self._started else 0.0,
            "wall_s": now - self._started if self._started else 0.0,
            "cpu_s": max(used.ru_utime + used.ru_stime, self._watch.cpu_s),
            "peak_memory_bytes": peak if peak > LEAST_BYTES else used.ru_maxrss << 10,
            "peak_processes": self._watch.peak_processes,
            "written_bytes": written.bytes,
            "stdout_truncated": self._streams[0].log.truncated,
            "stderr_truncated": self._streams[1].log.truncated,
        }

    def _largest(self, largest: int) -> int:
        """Return the largest resident memory of a process, unless it is what the sandbox had.

        A process carries its size over its exec (getrusage(2)), so a small program would be
        charged for its sandbox.  A job that stays a fork of the warm Python shares what that
        has loaded: it is charged for what it added.
        """
        if largest <= self._parked_bytes + FORK_BYTES:
            return 0
        return largest - self._parked_bytes if self._is_fork else largest
