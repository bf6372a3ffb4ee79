"""What one marketplace's jobs have earned, as its provider shows it: the ledger, read seldom."""

from __future__ import annotations

import threading
import time

from node3nb.agent.journal import Journal
from node3nb.agent.ledger import Ledger, LedgerBusy, Tally
from node3nb.agent.letter import Letter

#: Seconds for which sums that were read are shown again, unless a job ends.
FRESH_S = 15.0


class Earnings:
    """Enters what is delivered and keeps the sums at hand; for any thread."""

    def __init__(self, ledger: Ledger, marketplace_url: str, journal: Journal) -> None:
        self._ledger = ledger
        self._url = marketplace_url
        self._journal = journal
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._sums = (Tally(), Tally())

    def enter(self, letter: Letter) -> None:
        """Count a job whose marketplace knows how it ended; blocking.

        Raises
        ------
        LedgerBusy
            It can't be written now.  A ledger that is beyond use is only told of.
        """
        try:
            self._ledger.enter(
                letter.name, self._url, letter.ended_at, letter.result, letter.reward
            )
        except LedgerBusy:
            raise
        except OSError as error:
            self._journal.trouble(f"What job {letter.job_id} has paid is not written: {error}")
        with self._lock:
            self._read_at = float("-inf")

    def sums(self) -> tuple[Tally, Tally]:
        """Return what the jobs came to today and in all, at most so many seconds old."""
        with self._lock:
            if time.monotonic() - self._read_at > FRESH_S:
                self._read_at = time.monotonic()
                try:
                    self._sums = self._ledger.totals(self._url)
                except OSError as error:
                    self._journal.trouble(str(error))
            return self._sums
