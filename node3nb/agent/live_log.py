"""What a running job prints, on its way to its submitter: in pieces, each read when it is sent."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from node3nb.agent.records import JobRecord
from node3nb.errors import LeaseLost, MarketplaceRejected
from node3nb.marketplace.client import log_calls
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.client.log_calls import WrongOffset

#: Bytes of one stream that one call carries.
PIECE_BYTES = 128 * 1024
#: Seconds for what is left of a log when its job has ended: the report has its end as well.
FINISH_S = 10.0
#: Refusals of an offset in a row after which a log is sent no more.
MOST_REFUSALS = 5
#: Seconds that the end of a log waits for a piece that is under way.
LAST_WAIT_S = 2.0
STREAMS = ("stdout", "stderr")


@dataclass(slots=True)
class LiveLog:
    """One job's log as its marketplace has it: both streams, one after the other as they grew.

    Of a stream that grows beyond its cap the beginning is sent while the job runs, and the end
    when it has ended: what stands behind the beginning changes until then.
    """

    #: The job.
    record: JobRecord
    #: Bytes of each stream that have been sent.
    sent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))
    #: Where the marketplace's copy ends.
    end: int = 0
    #: Whether the marketplace takes no more of it.
    over: bool = False
    #: The stream of which a piece was sent and no answer came.
    _doubtful: str = ""
    _refusals: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, client: MarketplaceClient) -> None:
        """Send what is new; blocking.

        Raises
        ------
        MarketplaceError
            It was not taken.
        """
        if self._lock.acquire(blocking=False):
            try:
                for stream in self._streams:
                    self._send(client, stream, self._steady)
            finally:
                self._lock.release()

    def finish(self, client: MarketplaceClient) -> None:
        """Send the rest of a log whose beginning has been sent, once its job has ended; blocking.

        Raises
        ------
        MarketplaceError
            It was not taken; the report has the logs in any case.
        """
        if not self.end or not self._lock.acquire(timeout=LAST_WAIT_S):
            return
        try:
            due = time.monotonic() + FINISH_S
            for stream in self._streams:
                while time.monotonic() < due and self._send(client, stream, None):
                    pass
        finally:
            self.over = True
            self._lock.release()

    @property
    def _streams(self) -> list[str]:
        """Both streams; first the one of which more may have arrived than is known."""
        return sorted(STREAMS, key=lambda stream: stream != self._doubtful)

    @property
    def _steady(self) -> int:
        most = self.record.spec.limits.log_bytes
        return most - most // 2

    def _send(self, client: MarketplaceClient, stream: str, until: int | None) -> bool:
        """Send the next piece of a stream; return whether there was one."""
        place, begin = self.record.workspace, self.sent[stream]
        most = PIECE_BYTES if until is None else min(PIECE_BYTES, until - begin)
        if self.over or place is None or most <= 0:
            return False
        piece = whole_characters(place.read_log(stream, most, begin))
        if not piece:
            return False
        self._append(client, stream, piece)
        return True

    def _append(self, client: MarketplaceClient, stream: str, piece: bytes) -> None:
        spec, lease_id = self.record.spec, self.record.lease.lease_id
        self._doubtful = stream
        try:
            end = log_calls.append(client, spec.job_id, lease_id, self.end, piece)
        except WrongOffset as wrong:
            self._refused(wrong.offset, stream, piece)
            return
        except (LeaseLost, MarketplaceRejected):
            self.over = True
            raise
        self._refusals = 0
        self._taken(end, stream, piece)

    def _taken(self, end: int, stream: str, piece: bytes) -> None:
        """Go on behind what the marketplace has: all of a piece, or what its disk took."""
        taken = end - self.end if 0 <= end - self.end <= len(piece) else len(piece)
        self.sent[stream] += taken
        self.end += taken

    def _refused(self, end: int, stream: str, piece: bytes) -> None:
        """Go on where the marketplace says; a piece whose answer was lost has arrived."""
        self._refusals += 1
        self.over = self._refusals >= MOST_REFUSALS
        arrived = end - self.end
        if 0 < arrived <= len(piece):
            self.sent[stream] += arrived
        self.end = end


def whole_characters(data: bytes) -> bytes:
    """Return bytes without the beginning of a character at their end, unless that is all."""
    for back in range(1, min(4, len(data))):
        if data[-back] & 0xC0 == 0xC0:
            needed = 2 + (data[-back] >= 0xE0) + (data[-back] >= 0xF0)
            return data[:-back] if needed > back and len(data) > back else data
        if data[-back] & 0x80 == 0:
            break
    return data
