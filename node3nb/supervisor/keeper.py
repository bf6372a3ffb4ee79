"""One job, watched from outside its sandbox from its start to its account."""

from __future__ import annotations

import os
import resource
import selectors
import signal
import time

from node3nb.supervisor import limits, tree, verdict
from node3nb.supervisor.berth import Berth
from node3nb.supervisor.frames import Channel
from node3nb.supervisor.ladder import Ladder, terminate
from node3nb.supervisor.orders import Grant, Order
from node3nb.supervisor.sandbox.setup import UNSTARTED
from node3nb.supervisor.streams import Stream
from node3nb.supervisor.watch import Cause, Watch

#: Seconds between two reports of a running job's usage.
USAGE_S = 1.0
#: What a fork of ours may be larger than we are, before it has become another program.
FORK_BYTES = 4 << 20
_READ = selectors.EVENT_READ


class Keeper:
    """Starts the job of one sandbox, watches it, ends it and accounts for it."""

    def __init__(
        self, order: Order, grant: Grant, channel: Channel, berth: Berth, *, cancelled: bool
    ) -> None:
        self._order = order
        self._grant = grant
        self._channel = channel
        self._sandbox = berth.sandbox
        self._berth = berth
        self._selector = selectors.DefaultSelector()
        self._ladder = Ladder(order.grace_s)
        self._watch = Watch(order, berth.root, berth.shm, berth.group)
        self._streams = (
            Stream("stdout", order, berth.sandbox.stdout),
            Stream("stderr", order, berth.sandbox.stderr),
        )
        self._cancelled = cancelled
        self._is_fork = False
        self._wake = 0
        self._status: int | None = None
        self._failure: verdict.Failure | None = None
        self._launched = self._started = self._started_at = 0.0
        self._watch_due = self._usage_due = 0.0

    def keep(self) -> None:
        """Run the job to its end and report it."""
        self._launch()
        while self._status is None and not self._ladder.exhausted(time.monotonic()):
            self._turn()
        self._sandbox.kill()
        self._bury(tree.kill_below(os.getpid()))
        self._report()

    def _launch(self) -> None:
        self._wake = _wake_on_children()
        self._selector.register(self._wake, _READ, self._hear_child)
        self._selector.register(self._sandbox.report, _READ, self._hear_launch)
        self._selector.register(self._channel.fileno(), _READ, self._hear_supervisor)
        for stream in self._streams:
            stream.start(self._selector)
        self._launched = time.monotonic()
        limits.give_way(self._sandbox.main, self._grant.cores)
        if self._cancelled:
            self._cancel(self._launched)
        message = self._berth.message(self._order, self._grant)
        self._is_fork = message["warm"]
        self._sandbox.go(message)

    def _turn(self) -> None:
        """Wait for the next event, deal with it, and measure what is due."""
        now = time.monotonic()
        pause_s = max(0.0, self._watch_due - now)
        for key, _ in self._selector.select(self._ladder.wait_s(now, pause_s)):
            key.data(self._selector, time.monotonic())
        now = time.monotonic()
        if now >= self._watch_due and self._status is None:
            self._measure(now)
            self._watch_due = now + self._watch.pause_s

    def _hear_child(self, selector: selectors.BaseSelector, now: float) -> None:
        del selector, now
        os.read(self._wake, 4096)
        self._bury(tree.reap())

    def _bury(self, ended: dict[int, int]) -> None:
        if self._sandbox.top in ended:
            self._status = self._sandbox.status(ended[self._sandbox.top])

    def _hear_launch(self, selector: selectors.BaseSelector, now: float) -> None:
        """Learn whether the program has started: silence is success."""
        failure = self._sandbox.outcome()
        selector.unregister(self._sandbox.report)
        os.close(self._sandbox.report)
        if failure:
            what, number, words = failure
            self._failure = verdict.Failure(what == UNSTARTED, int(str(number)), str(words))
            return
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

    def _hear_supervisor(self, _: selectors.BaseSelector, now: float) -> None:
        frames = self._channel.receive()
        if frames is None:
            self._ladder.kill(Cause("lost", "The provider that ran the job is gone."), now)
            self._selector.unregister(self._channel.fileno())
        elif frames:
            self._cancel(now)

    def _cancel(self, now: float) -> None:
        self._ladder.ask(Cause("cancelled", "The job was cancelled."), self._terminate, now)

    def _terminate(self) -> None:
        terminate(self._sandbox.main)

    def _measure(self, now: float) -> None:
        cause = self._watch.check(now) if self._started else None
        for stream in self._streams:
            stream.refill(self._selector, now)
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
        self._channel.send(
            {
                "event": "usage",
                "job": self._order.job,
                "memory_bytes": self._watch.memory_bytes,
                "cpu_s": self._watch.cpu_s,
            },
            droppable=True,
        )

    def _tell(self, event: str, **facts: object) -> None:
        self._channel.send({"event": event, "job": self._order.job, **facts})

    def _report(self) -> None:
        now = time.monotonic()
        for stream in self._streams:
            stream.finish(now)
        self._tell("ended", **self._account(now))

    def _account(self, now: float) -> dict[str, object]:
        written = self._watch.written()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cause = self._ladder.cause or self._watch.killed_for_memory()
        largest = _largest_child(used, is_fork=self._is_fork)
        peak = max(self._watch.peak_memory_bytes, largest)
        account = verdict.Account(
            status=self._status,
            failure=self._failure,
            peak_memory_bytes=peak,
            written=written,
            cause=cause,
            last_words=self._streams[1].log.last_line,
        )
        return {
            **verdict.ending(self._order, account),
            "started_at": self._started_at,
            "startup_ms": self._startup_ms() if self._started else 0.0,
            "wall_s": now - self._started if self._started else 0.0,
            "cpu_s": max(used.ru_utime + used.ru_stime, self._watch.cpu_s),
            "peak_memory_bytes": peak or used.ru_maxrss << 10,
            "peak_processes": self._watch.peak_processes,
            "written_bytes": written.bytes,
            "stdout_truncated": self._streams[0].log.truncated,
            "stderr_truncated": self._streams[1].log.truncated,
        }


def _wake_on_children() -> int:
    """Return a descriptor that becomes readable when a child ends."""
    reader, writer = os.pipe()
    for fd in (reader, writer):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reader


def _largest_child(used: resource.struct_rusage, *, is_fork: bool) -> int:
    """Return the largest resident memory of a child, unless it is that of our own fork.

    A child carries its parent's size over its exec (getrusage(2)), so a small program would
    be charged for its keeper.  A job that stays a fork of the warm Python shares what that has
    loaded, as we do: it is charged for what it added.
    """
    largest = used.ru_maxrss << 10
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    if largest <= own + FORK_BYTES:
        return 0
    return largest - own if is_fork else largest
