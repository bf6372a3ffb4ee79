"""Trying again: how often, after how long, and how a cancellation ends the wait."""

from __future__ import annotations

import datetime as dt
import email.utils
import random
import threading
import time
from dataclasses import dataclass

from node3nb.errors import Node3Error, TransferCancelled

_jitter = random.SystemRandom()


class TransferBroken(Node3Error):
    """The connection broke; the transfer is tried again.

    Parameters
    ----------
    message
        What happened, as a clause.
    retry_after_s
        Seconds to wait that the server asked for; None when it did not say.
    """

    def __init__(self, message: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patiently a transfer is tried."""

    #: Tries in a row that may fail before it is given up.
    tries: int = 6
    #: Wait after the first failure, in seconds; doubled after each further one.
    first_wait_s: float = 0.5
    #: Longest wait between two tries, in seconds, whatever the server asks.
    longest_wait_s: float = 60.0
    #: Longest the whole transfer may take, in seconds; ends servers that send drop by drop.
    total_s: float = 6 * 3600.0

    def wait_s(self, failures: int, asked_s: float | None) -> float:
        """Return the seconds to wait after so many failures, half of them at random."""
        grown = self.first_wait_s * 2.0 ** min(failures - 1, 30)
        jittered = grown * _jitter.uniform(0.5, 1.0)
        return min(self.longest_wait_s, max(jittered, asked_s or 0.0))


class Retries:
    """Counts the failures of one transfer and sleeps between its tries."""

    def __init__(self, policy: RetryPolicy, cancelled: threading.Event) -> None:
        self._policy = policy
        self._cancelled = cancelled
        self._failures = 0
        self._deadline = time.monotonic() + policy.total_s

    @property
    def over(self) -> bool:
        """Whether the transfer was cancelled or took too long."""
        return self._cancelled.is_set() or time.monotonic() > self._deadline

    def check(self) -> None:
        """Return only while the transfer may go on.

        Raises
        ------
        TransferCancelled
            Somebody has cancelled it.
        TransferBroken
            It took too long.
        """
        if self._cancelled.is_set():
            raise TransferCancelled
        if self.over:
            raise TransferBroken(f"it took longer than {self._policy.total_s:g} seconds")

    def progressed(self) -> None:
        """Forget earlier failures: enough came through to believe in the next try."""
        self._failures = 0

    def failed(self, broken: TransferBroken) -> None:
        """Sleep until the next try.

        Raises
        ------
        TransferCancelled
            The transfer was cancelled, before or during the sleep.
        TransferBroken
            There is no next try; the one given.
        """
        self.check()
        self._failures += 1
        if self._failures >= self._policy.tries:
            raise broken
        self._cancelled.wait(self._policy.wait_s(self._failures, broken.retry_after_s))
        self.check()


def retry_after_s(header: str | None) -> float | None:
    """Return the seconds a `Retry-After` header asks for (RFC 9110, section 10.2.3), else None."""
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header.strip()[:9])
    try:
        then = email.utils.parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=dt.UTC)
    return max(0.0, (then - dt.datetime.now(dt.UTC)).total_seconds())
