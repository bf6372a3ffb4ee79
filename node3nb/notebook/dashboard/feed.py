"""Feed: what one dashboard sends to its views, and what it does for them."""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Callable
from typing import Any

from node3nb.agent.records import Snapshot
from node3nb.meter import Meter
from node3nb.notebook.dashboard import actions, news, requests
from node3nb.notebook.dashboard.allowance import Allowance
from node3nb.notebook.dashboard.publisher import PUBLISHER
from node3nb.notebook.dashboard.requests import Request
from node3nb.notebook.dashboard.rows import MOST_ROWS, ROWS_BYTES, Changes
from node3nb.notebook.dashboard.tails import Tail
from node3nb.provider import Provider

#: Seconds after the last sign of life of a view for which it is sent to.
WATCHED_S = 15.0
#: Jobs whose logs are watched at once.
MOST_TAILS = 4
#: Seconds over which a rate is measured at least.
LEAST_MEAN_S = 0.5

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
        Called with each snapshot that has been sent.
    """

    def __init__(
        self,
        provider: Provider,
        send: Callable[[Message], None],
        after: Callable[[Snapshot], None],
    ) -> None:
        self._provider = provider
        self._send = send
        self._after = after
        self._allowance = Allowance(time.monotonic)
        self._meter = Meter()
        self._changes = Changes()
        self._tails: dict[str, Tail] = {}
        self._seen_at = float("-inf")
        self._jobs_cpu = self._jobs_cpu_s = 0.0
        self._read_at = time.monotonic()

    def hear(self, content: object) -> None:
        """Take a view's message; from any thread, returns at once."""
        request = requests.read(content)
        if request is not None:
            PUBLISHER.put(lambda: self._obey(request))

    def watched(self) -> bool:
        """Whether a view has given a sign of life lately."""
        return time.monotonic() - self._seen_at < WATCHED_S

    def tick(self) -> None:
        """Tell what has changed."""
        now = self._provider.snapshot(MOST_ROWS)
        self._tell(self._measured(now), now)
        self._after(now)

    def _obey(self, request: Request) -> None:
        new = request.new or not self.watched()
        self._seen_at = time.monotonic()
        if new:
            self._tell_all()
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
        """Say that a request has been met, with how things are now."""
        answer = {"request": request.request_id, "problem": problem}
        PUBLISHER.put(lambda: self._answer_with_state(answer))

    def _answer_with_state(self, answer: Message) -> None:
        now = self._provider.snapshot(MOST_ROWS)
        told = news.tick(now, self._meter.last, self._jobs_cpu)
        self._tell(told | {"answer": answer}, now)
        self._after(now)

    def _watch(self, request: Request) -> None:
        """Tell the log of one job from its beginning, and then what is new in it."""
        self._tails.pop(request.word, None)
        while len(self._tails) >= MOST_TAILS:
            self._tails.pop(next(iter(self._tails)))
        self._tails[request.word] = Tail(request.word)
        self._answer(request, "")

    def _tell_all(self) -> None:
        now = self._provider.snapshot(MOST_ROWS)
        self._changes.forget()
        for tail in self._tails.values():
            tail.raw, tail.known, tail.ended = (), {}, False
        self._tell(self._measured(now) | {"whole": news.whole(now)}, now)

    def _measured(self, now: Snapshot) -> Message:
        read_at = time.monotonic()
        passed_s, used_s = read_at - self._read_at, now.jobs_cpu_s - self._jobs_cpu_s
        if passed_s > LEAST_MEAN_S:
            self._read_at, self._jobs_cpu_s = read_at, now.jobs_cpu_s
            self._jobs_cpu = max(used_s, 0.0) / passed_s
            self._meter.read()
        return news.tick(now, self._meter.last, self._jobs_cpu)

    def _tell(self, told: Message, now: Snapshot) -> None:
        """Send a message with as many changed rows and log lines as the allowance leaves."""
        room = self._allowance.left() - len(json.dumps(told))
        # A log that waits for room must not wait for ever behind rows.
        changed = self._changes.take(now.jobs, min(ROWS_BYTES, room // 2 if self._tails else room))
        if changed:
            told["rows"] = changed
            room -= len(json.dumps(changed))
        logs = []
        for tail in self._tails.values():
            if (new := tail.news(self._provider, room)) is not None:
                logs.append(new)
                room -= len(json.dumps(new))
        if logs:
            told["logs"] = logs
        self._allowance.spend(len(json.dumps(told)))
        with contextlib.suppress(OSError):
            self._send(told)
