"""Rounds among the jobs that run: their logs go out, and that they run is told early."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from node3nb.agent.backoff import Backoff
from node3nb.agent.common import Common
from node3nb.agent.live_log import LiveLog
from node3nb.agent.records import JobRecord
from node3nb.errors import CallNotOffered, LeaseLost, MarketplaceError, MarketplaceRejected
from node3nb.jobs import JobState
from node3nb.marketplace.client.client import MarketplaceClient

#: Seconds between two rounds.
ROUND_S = 1.0
#: Longest time in which no logs are sent to a marketplace that does not answer, in seconds.
LONGEST_REST_S = 60.0
#: Logs that are sent at once.
AT_ONCE = 4


class Rounds:
    """Looks at every running job once a second.

    Parameters
    ----------
    common
        The provider's jobs and threads.
    client
        The marketplace.
    beat
        Has the heart beat soon: with it the marketplace hears which jobs run.
    """

    def __init__(self, common: Common, client: MarketplaceClient, beat: Callable[[], None]) -> None:
        self._common = common
        self._client = client
        self._beat = beat
        self._backoff = Backoff(LONGEST_REST_S)
        self._rest_until = 0.0
        self._told: set[str] = set()
        self._logs: dict[str, LiveLog] = {}
        #: Whether the marketplace keeps logs; None before one was sent.
        self._offered: bool | None = None

    async def walk_forever(self) -> None:
        """Walk until cancelled, while there is a job."""
        while True:
            await self._common.standing.wait_until(self._anything)
            await asyncio.sleep(ROUND_S)
            running = self._common.book.running()
            self._tell(running)
            self._logs = {each.name: self._log(each) for each in running if each.workspace}
            await self._send([log for log in self._logs.values() if not log.over])

    def finish(self, record: JobRecord) -> None:
        """Send the rest of a log, if its beginning has been sent; blocking, from any thread."""
        log = self._logs.get(record.name)
        if log is not None and not log.over:
            with contextlib.suppress(MarketplaceError):
                log.finish(self._client)

    def _log(self, record: JobRecord) -> LiveLog:
        return self._logs.get(record.name) or LiveLog(record)

    def _anything(self) -> bool:
        return self._common.book.count() > 0

    def _tell(self, running: list[JobRecord]) -> None:
        """Have the marketplace hear soon of jobs that have begun since the last round."""
        begun = {each.name for each in running if each.state is JobState.RUNNING}
        if begun - self._told:
            self._beat()
        self._told = begun

    async def _send(self, logs: list[LiveLog]) -> None:
        now = asyncio.get_running_loop().time()
        if self._offered is False or now < self._rest_until:
            return
        while logs:
            batch, logs = logs[:AT_ONCE], logs[AT_ONCE:]
            failures = await asyncio.gather(*map(self._sent, batch))
            failed = next((each for each in failures if each is not None), None)
            if failed is not None:
                self._rest_until = now + self._backoff.failed(failed)
                return
        self._backoff.succeeded()

    async def _sent(self, log: LiveLog) -> Exception | None:
        """Send what is new of a log; return why no other is to be sent for a while."""
        try:
            await self._common.threads.call(log.send, self._client)
        except CallNotOffered:
            # What has taken a piece before knows the call; then it is the job it does not know.
            log.over, self._offered = True, bool(self._offered)
        except (LeaseLost, MarketplaceRejected):
            log.over = True
        except (MarketplaceError, OSError) as error:
            return error
        else:
            self._offered = self._offered or (log.end > 0) or None
        return None
