"""Overview: one provider at one moment, read from all its parts."""

from __future__ import annotations

from dataclasses import dataclass

from node3nb.agent.admission import Admission
from node3nb.agent.common import Common
from node3nb.agent.earnings import Earnings
from node3nb.agent.enrolment import Enrolment
from node3nb.agent.outbox import Outbox
from node3nb.agent.quota import LiveQuota
from node3nb.agent.records import Snapshot


@dataclass(frozen=True, slots=True)
class Overview:
    """What is read for a snapshot; from any thread."""

    #: Where its jobs come from.
    marketplace_url: str
    #: State, jobs and events.
    common: Common
    #: Who it is there.
    enrolment: Enrolment
    #: What runs jobs.
    admission: Admission
    #: What jobs may have.
    quota: LiveQuota
    #: What they have earned.
    earnings: Earnings
    #: What waits to be delivered.
    outbox: Outbox

    def snapshot(self, newest: int | None = None) -> Snapshot:
        """Return how things are now, with all jobs or so many of the newest."""
        completed, failed, earned = self.common.book.totals()
        memory_bytes, cpu_s = self.common.book.use()
        today, ever = self.earnings.sums()
        has = self.admission.offering()
        return Snapshot(
            state=self.common.standing.state,
            reason=self.common.standing.reason,
            marketplace_url=self.marketplace_url,
            agent_id=self.enrolment.agent_id,
            slots=self.quota.now.slots,
            executors=tuple(has.executors),
            isolation=has.isolation,
            not_stopped=has.not_stopped,
            jobs=self.common.book.summaries(newest),
            running=self.common.book.count(),
            jobs_memory_bytes=memory_bytes,
            jobs_cpu_s=cpu_s,
            completed=completed,
            failed=failed,
            earned=earned,
            undelivered=self.outbox.count(),
            quota=self.quota.now,
            most=self.quota.most,
            today=today,
            ever=ever,
        )
