"""Feed: what one dashboard sends to its views, and what it does for them."""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from node3nb.agent.records import Snapshot
from node3nb.inert_text import line
from node3nb.meter import Meter
from node3nb.notebook.dashboard import actions, news, requests
from node3nb.notebook.dashboard.allowance import Allowance
from node3nb.notebook.dashboard.inbox import MOST_WAITING, Inbox
from node3nb.notebook.dashboard.publisher import PUBLISHER, WATCHED_S
from node3nb.notebook.dashboard.requests import Request
from node3nb.notebook.dashboard.rows import MOST_ROWS, ROWS_BYTES, Changes
from node3nb.notebook.dashboard.tails import Tail
from node3nb.provider import Provider

#: Jobs whose logs are watched at once.
MOST_TAILS = 4
#: Seconds over which a rate is measured at least.
LEAST_MEAN_S = 0.5
#: Bytes that must be left for a message between ticks: how things are, what a new view needs.
AT_ONCE_BYTES = 8 * 1024
#: Bytes of the answers in one message, unless a single one has more: a tick always fits.
ANSWERS_BYTES = 1024
#: Characters of the sentence that says why something was not done.
PROBLEM_CHARS = 200

Message = dict[str, Any]


class Feed:
    """One provider, as a dashboard's views are told of it; all but `hear` on the publisher.

    Parameters
    ----------
    provider
        What is shown.
    send
        Sends one message to every view.
    after
        Called with each snapshot that has been sent; returns the bytes it has sent itself.
    """

    def __init__(
        self,
        provider: Provider,
        send: Callable[[Message], None],
        after: Callable[[Snapshot], int],
    ) -> None:
        self._provider = provider
        self._send = send
        self._after = after
        self._allowance = Allowance(time.monotonic)
        self._meter = Meter()
        self._changes = Changes()
        self._tails: dict[str, Tail] = {}
        self._inbox = Inbox()
        #: Of a flood the newest answers are kept: a view waits for none for ever.
        self._answers: deque[Message] = deque(maxlen=2 * MOST_WAITING)
        self._new = False
        self._seen_at = float("-inf")
        self._jobs_cpu = self._jobs_cpu_s = 0.0
        self._read_at = time.monotonic()

    def hear(self, content: object) -> None:
        """Take a view's message; from any thread, returns at once."""
        request = requests.read(content)
        if request is not None and self._inbox.put(request):
            PUBLISHER.put(self._obey)

    def watched(self) -> bool:
        """Whether a view has given a sign of life lately."""
        return time.monotonic() - self._seen_at < WATCHED_S

    def tick(self) -> None:
        """Tell what has changed, and what the allowance did not leave room for before."""
        self._tell()

    def _obey(self) -> None:
        new, waiting = self._inbox.take()
        self._new |= new or not self.watched()
        self._seen_at = time.monotonic()
        for request in waiting:
            self._meet(request)
        self._tell_soon()

    def _meet(self, request: Request) -> None:
        match request.kind:
            case "act":
                actions.act(self._provider, request.word, functools.partial(self._answer, request))
            case "cancel":
                found = self._provider.cancel(request.word)
                self._answer(request, "" if found else "It has ended already.")
            case "quota":
                change = functools.partial(self._provider.quota.set, **request.limits)
                self._answer(request, actions.tried(change))
            case "watch":
                self._watch(request)

    def _answer(self, request: Request, problem: str) -> None:
        """Say that a request has been met; soon, with how things are then; from any thread."""
        told = {"request": request.request_id, "problem": line(problem, PROBLEM_CHARS)}
        self._answers.append(told)
        PUBLISHER.put(self._tell_soon)

    def _tell_soon(self) -> None:
        """Tell what has been asked for; when the allowance is spent, the next tick does."""
        if (self._new or self._answers) and self._allowance.left() >= AT_ONCE_BYTES:
            self._tell()

    def _watch(self, request: Request) -> None:
        """Tell the log of one job from its beginning, and then what is new in it."""
        self._tails.pop(request.word, None)
        while len(self._tails) >= MOST_TAILS:
            self._tails.pop(next(iter(self._tails)))
        self._tails[request.word] = Tail(request.word)
        self._answer(request, "")

    def _measured(self, now: Snapshot) -> Message:
        read_at = time.monotonic()
        passed_s, used_s = read_at - self._read_at, now.jobs_cpu_s - self._jobs_cpu_s
        if passed_s > LEAST_MEAN_S:
            self._read_at, self._jobs_cpu_s = read_at, now.jobs_cpu_s
            self._jobs_cpu = max(used_s, 0.0) / passed_s
            self._meter.read()
        return news.tick(now, self._meter.last, self._jobs_cpu)

    def _tell(self) -> None:
        """Send one message: how things are, and as much of the rest as the allowance leaves."""
        now = self._provider.snapshot(MOST_ROWS)
        told = self._measured(now)
        if self._answers:
            told["answers"] = self._some_answers()
        room = self._allowance.left() - _size(told)
        if self._new:
            room = self._add_whole(told, now, room)
        if not self._new:
            self._add_changes(told, now, room)
        self._allowance.spend(_size(told))
        with contextlib.suppress(OSError):
            self._send(told)
        self._allowance.spend(self._after(now))

    def _some_answers(self) -> list[Message]:
        """Return answers that wait, one at least, and no more of them than a tick has room for."""
        taken = [self._answers.popleft()]
        while self._answers and _size([*taken, self._answers[0]]) <= ANSWERS_BYTES:
            taken.append(self._answers.popleft())
        return taken

    def _add_whole(self, told: Message, now: Snapshot, room: int) -> int:
        """Add what a new view needs, unless it has to wait for room; return the room left."""
        whole = news.whole(now)
        if _size(whole) > room:
            return room
        told["whole"], self._new = whole, False
        self._changes.forget()
        for tail in self._tails.values():
            tail.raw, tail.known, tail.ended = (), {}, False
        return room - _size(whole)

    def _add_changes(self, told: Message, now: Snapshot, room: int) -> None:
        """Add as many changed rows and log lines as there is room for."""
        # A log that waits for room must not wait for ever behind rows.
        changed = self._changes.take(now.jobs, min(ROWS_BYTES, room // 2 if self._tails else room))
        if changed:
            told["rows"] = changed
            room -= _size(changed)
        logs = []
        for tail in self._tails.values():
            if (new := tail.news(self._provider, room)) is not None:
                logs.append(new)
                room -= _size(new)
        if logs:
            told["logs"] = logs


def _size(told: object) -> int:
    return len(json.dumps(told))
