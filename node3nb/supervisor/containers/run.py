"""One job in a container, from its start to its account."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from node3nb.supervisor import disk, verdict, watch
from node3nb.supervisor.containers import ending, usage
from node3nb.supervisor.containers.container import ENDED, Container
from node3nb.supervisor.containers.engine_api import EngineGone, EngineRefusal
from node3nb.supervisor.containers.logs import TICK_S, Logs
from node3nb.supervisor.containers.orders import ContainerOrder
from node3nb.supervisor.frames import Frame
from node3nb.supervisor.ladder import Ladder
from node3nb.supervisor.room import RoomWatch
from node3nb.supervisor.watch import Cause

#: Seconds between two reports of what was measured.
USAGE_S = 1.0
#: Seconds between two questions whether a container still runs that says nothing.
LOOK_S = 1.0
#: Seconds between those once its output has ended, at first and at most.
FIRST_LOOK_S, LONGEST_LOOK_S = 0.002, 0.1
#: Exit code of what a SIGKILL ended.
KILLED = 137
#: Seconds an engine gets to end a container that is killed.
KILL_S = 20.0
_CHUNK = 1 << 16
#: Why a job is over that nobody saw the end of.
ENGINE_GONE = "The container engine stopped answering ({}); the job can be run again."
REMOVED = "Somebody removed the job's container; the job can be run again."
UNKILLABLE = "The container engine did not end the job's container; see `node3nb doctor`."
ABANDONED = "The provider that ran the job is gone."

Tell = Callable[[Frame], None]


class Lost(Exception):
    """The job's end can't be seen; the text says why."""


class Run:
    """Starts a job in its container, watches it, ends it and accounts for it.

    Parameters
    ----------
    order
        The job.
    tell
        Takes the messages for the kernel.

    Attributes
    ----------
    order
        The job.
    """

    def __init__(self, order: ContainerOrder, tell: Tell) -> None:
        self.order = order
        self._tell = tell
        self._wake, self._waker = socket.socketpair()
        self._cancelled = self._abandoned = self._silent = False
        self._ladder = Ladder(order.grace_s)
        self._killed = 0.0
        self._room = RoomWatch(order)
        self._survey: disk.Survey | None = None
        self._hidden_bytes, self._hidden_s = 0, 0.0
        self._survey_due = self._tick_due = self._look_due = self._usage_due = 0.0
        self._look_s = FIRST_LOOK_S
        self._state: dict[str, Any] | None = None
        self._started = self._started_at = 0.0
        self._meter: usage.Meter | None = None

    def cancel(self) -> None:
        """Ask for the job's end, from any thread."""
        self._cancelled = True
        self._poke()

    def abandon(self) -> None:
        """Leave the job, from any thread: nobody is there any more to hear of it."""
        self._abandoned = True
        self._poke()

    def _poke(self) -> None:
        with contextlib.suppress(OSError):
            self._waker.send(b"!")

    @property
    def unwanted(self) -> bool:
        """Whether its end was asked for before it began."""
        return self._cancelled or self._abandoned

    def close(self) -> None:
        """Let go of what it holds."""
        self._wake.close()
        self._waker.close()

    def run(self, container: Container, *, waits: bool) -> Frame:
        """Run the job in its container and return its account; the container is left.

        Parameters
        ----------
        waits
            Whether the container runs already and waits for its command.

        Raises
        ------
        OSError
            The logs could not be made.
        """
        logs = Logs(self.order)
        try:
            end = self._end(container, logs, waits=waits)
        finally:
            if self._meter is not None:
                self._meter.close()
            logs.close()
        return self._account(end, logs)

    def _end(self, container: Container, logs: Logs, *, waits: bool) -> Frame:
        """Run the job and return why it ended."""
        try:
            logs.listen(container.stream, self._poke)
            self._start(container, waits=waits)
            while self._state is None:
                self._turn(container, logs)
            logs.hear_out(lambda: self._abandoned)
            return ending.ending(self.order, self._seen(self._state, logs))
        except EngineGone as gone:
            return lost(ENGINE_GONE.format(gone))
        except Lost as reason:
            return lost(str(reason))
        except EngineRefusal as refusal:
            if self._started:
                return ending.fault(refusal.words)
            return ending.refused_start(self.order, refusal.words)

    def _start(self, container: Container, *, waits: bool) -> None:
        if waits:
            self._meter = self._new_meter(container)
            self._meter.begin()
            container.command(self.order.argv, self.order.env)
        else:
            container.start()
        self._started, self._started_at = time.monotonic(), time.time()
        at, after_ms = self._started_at, self._startup_ms()
        self._say("started", started_at=at, startup_ms=after_ms)
        if not waits:
            self._meter = self._new_meter(container)

    def _new_meter(self, container: Container) -> usage.Meter:
        pid = int((container.look() or {}).get("Pid") or 0)
        same, own = self.order.same_kernel, int(self.order.init)
        return usage.meter(container.api, container.name, pid, own, same_kernel=same)

    def _startup_ms(self) -> float:
        return self._started * 1e3 - self.order.asked_ns / 1e6

    def _say(self, event: str, **facts: object) -> None:
        self._tell({"event": event, "job": self.order.job, **facts})

    def _turn(self, container: Container, logs: Logs) -> None:
        """Wait for the next event, deal with it, and measure what is due."""
        now = time.monotonic()
        pause = max(0.0, min(self._tick_due, self._look_due) - now)
        ready, _, _ = select.select([self._wake], [], [], self._ladder.wait_s(now, pause))
        if ready:
            self._wake.recv(_CHUNK)
        now = time.monotonic()
        if logs.over.is_set() and not self._silent:
            self._silent, self._look_due = True, now
        self._hear(container, now)
        if now >= self._tick_due:
            self._tick_due = now + TICK_S
            self._measure(container, logs, now)
        if now >= self._look_due:
            self._look(container, now)

    def _hear(self, container: Container, now: float) -> None:
        """Do what was asked for from outside, and what the ladder demands."""
        if self._abandoned:
            raise Lost(ABANDONED)
        if self._cancelled:
            self._ask(Cause("cancelled", "The job was cancelled."), container, now)
        if self._ladder.exhausted(now) and not self._killed:
            self._killed, self._look_due = now, now
            container.signal("SIGKILL")
        if self._killed and now - self._killed > KILL_S:
            raise Lost(UNKILLABLE)

    def _ask(self, cause: Cause, container: Container, now: float) -> None:
        self._ladder.ask(cause, lambda: container.signal("SIGTERM"), now)

    def _measure(self, container: Container, logs: Logs, now: float) -> None:
        logs.refresh(now)
        self._room.look()
        cause = self._check_disk(now) or logs.flood()
        if cause:
            self._ladder.kill(cause, now)
        elif now - self._started > self.order.timeout_s:
            limit = f"The job ran longer than its limit of {self.order.timeout_s:g} s."
            self._ask(Cause("timed_out", limit), container, now)
        if self._meter is None:
            return
        self._meter.sample()
        if now >= self._usage_due:
            self._usage_due = now + USAGE_S
            used = self._meter
            self._say("usage", memory_bytes=used.memory_bytes, cpu_s=used.cpu_s)

    def _check_disk(self, now: float) -> Cause | None:
        """Go on with the survey of the mounts, or begin the next when its time has come."""
        if self._survey is None:
            if now < self._survey_due:
                return None
            self._survey = self._new_survey(now)
        done = self._survey.advance(time.monotonic() + watch.DISK_SLICE_S)
        seen = self._survey.so_far
        if done:
            pause_s = max(watch.DISK_S, self._hidden_s * watch.HIDDEN_SHARE)
            self._survey, self._survey_due = None, time.monotonic() + pause_s
        written = replace(seen, bytes=seen.bytes + self._hidden_bytes)
        return watch.over_disk(written, self.order)

    def _new_survey(self, now: float) -> disk.Survey:
        """Begin with what is hidden: what is removed from now on is in one of the two at most."""
        if self._meter is not None:
            self._hidden_bytes = self._meter.hidden_disk_bytes()
            self._hidden_s = time.monotonic() - now
        return disk.Survey(self.order.writable, self.order.disk_files)

    def _look(self, container: Container, now: float) -> None:
        """Ask whether it still runs: an engine shows the end later than the output ends."""
        state = container.look()
        if state is None:
            raise Lost(REMOVED)
        if state["Status"] in ENDED:
            self._state = self._confirmed(container, state)
        self._look_due = now + (self._look_s if self._silent or self._killed else LOOK_S)
        if self._silent or self._killed:
            self._look_s = min(2 * self._look_s, LONGEST_LOOK_S)

    def _confirmed(self, container: Container, state: dict[str, Any]) -> dict[str, Any]:
        """Return how it ended, unless it was killed because somebody removes it."""
        if self._ladder.cause is None and state.get("ExitCode") == KILLED:
            time.sleep(LONGEST_LOOK_S)
            if container.look() is None:
                raise Lost(REMOVED)
        return state

    def _seen(self, state: dict[str, Any], logs: Logs) -> ending.Seen:
        return ending.Seen(
            code=state.get("ExitCode"),
            oom_killed=bool(state.get("OOMKilled")),
            peak_memory_bytes=self._meter.peak_memory_bytes if self._meter else 0,
            written=disk.measure(self.order.writable, self.order.disk_files),
            cause=self._ladder.cause,
            last_words=logs.stderr.last_line,
            room=self._room.seen((logs.stdout, logs.stderr)),
        )

    def _account(self, end: Frame, logs: Logs) -> Frame:
        told = account(end) | {
            "stdout_truncated": logs.stdout.truncated,
            "stderr_truncated": logs.stderr.truncated,
        }
        if not self._started:
            return told
        told |= {
            "started_at": self._started_at,
            "startup_ms": self._startup_ms(),
            "wall_s": time.monotonic() - self._started,
            "written_bytes": disk.measure(self.order.writable, self.order.disk_files).bytes,
        }
        used = self._meter
        if used is None:
            return told
        return told | {
            "cpu_s": used.cpu_s,
            "peak_memory_bytes": used.peak_memory_bytes,
            "peak_processes": used.peak_processes,
            "io_read_bytes": used.read_bytes,
            "io_written_bytes": used.written_bytes,
        }


def lost(why: str) -> Frame:
    """Return the end of a job that nobody saw the end of."""
    return {"reason": "lost", "message": why, "exit_code": None, "signal": None}


def account(end: Frame) -> Frame:
    """Return the account of a job that did not start, or that nothing more is known of."""
    return verdict.without_account(Cause("", ""), {}) | end
