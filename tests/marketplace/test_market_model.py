"""The store against its model: whatever several agents do, in whatever order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from marketplace.market_parts import BOTH, COMPLETION, FAILURE, FINAL, MACHINE
from marketplace.store_model import LEASE_S, Job, Lease

from node3nb.marketplace.database.database import Database
from node3nb.marketplace.database.schema import events, jobs
from node3nb.marketplace.database.schema import leases as lease_rows
from node3nb.marketplace.refusals import Refusal
from node3nb.marketplace.resources import Resources
from node3nb.marketplace.store import callers, leases, ledger, outcomes, queue, removal, returns
from node3nb.marketplace.store.callers import Origin
from node3nb.marketplace.store.leases import Claim
from node3nb.marketplace.store.removal import Place
from node3nb.marketplace.wire.protocol import (
    Completion,
    Failure,
    JobSubmission,
    Registration,
    Release,
)

DATABASES = BOTH
TIMEOUT_S = 1000.0


#: How many leases a job has had.
HELD_BY = (
    sa.select(sa.func.count())
    .where(lease_rows.c.job_id == jobs.c.job_id)
    .correlate(jobs)
    .scalar_subquery()
)


class Store(RuleBasedStateMachine):
    """Does everything twice: in the store and in the model."""

    database: Database
    #: The time; never goes back, as the database outlives each run of the machine.
    now = 1_800_000_000.0
    held: Bundle[tuple[Job, Lease]] = Bundle("held")

    @initialize()
    def register(self) -> None:
        machine = Registration(**MACHINE)
        self.agents = [
            self.do(callers.register, machine, Origin("here", 10**6), self.now).agent_id
            for _ in range(3)
        ]
        self.jobs: list[Job] = []
        self.before = self.do(ledger.audit)
        for priority in (0, 1, -1):
            self.submit(priority, 0, 100_000, 2)

    def do(self, operation: Callable[..., Any], *asked: Any) -> Any:
        return self.database.write(operation, *asked).result(60)

    def accepted(self, operation: Callable[..., Any], *asked: Any) -> bool:
        """Do it; False when it is refused."""
        try:
            self.do(operation, *asked)
        except Refusal:
            return False
        return True

    @rule(
        priority=st.integers(-2, 2),
        memory=st.sampled_from([0, 1, 2]),
        reward=st.sampled_from([0, 1, 100_000, 10**15]),
        most=st.integers(1, 3),
    )
    def submit(self, priority: int, memory: int, reward: int, most: int) -> None:
        asked = JobSubmission(
            command=["true"],
            priority=priority,
            gpu_memory_required=memory,
            reward=reward / 1e6,
            max_attempts=most,
            timeout=TIMEOUT_S,
        )
        made = self.do(queue.submit, asked, "consumer", None, self.now)
        rank = (self.now - priority * 60.0, len(self.jobs))
        self.jobs.append(Job(made.answer.job_id, memory, rank, reward, most, TIMEOUT_S))

    @rule(target=held, who=st.integers(0, 2), memory=st.sampled_from([0, 1, 2]))
    def claim(self, who: int, memory: int) -> Any:
        has = Resources(memory, 8, 8.0, 1 << 40, 9, 1)
        offered = [job.job_id for job in self.do(queue.available, has, 1)]
        fit = [j for j in self.jobs if j.status == "available" and j.needs_memory <= memory]
        best = sorted(fit, key=lambda job: job.rank)[:1]
        assert offered == [job.job_id for job in best]
        if not best:
            return multiple()
        claim = Claim(self.agents[who], "wallet", None, self.now, LEASE_S)
        lease_id = self.do(leases.accept, best[0].job_id, claim).lease_id
        lease = Lease(self.agents[who], lease_id, self.now)
        best[0].accept(lease)
        assert not self.accepted(leases.accept, best[0].job_id, claim)
        return best[0], lease

    @rule(one=held)
    def renew(self, one: tuple[Job, Lease]) -> None:
        job, lease = one
        named = {job.job_id: lease.lease_id}
        heard = self.do(leases.renew_named, lease.agent_id, named, self.now, LEASE_S)
        told = {"renewed": [*heard.leases], "cancelled": heard.cancel, "unknown": heard.unknown}
        expected = job.renewed(lease, self.now)
        assert told == {word: [job.job_id] * (word == expected) for word in told}

    @rule(seconds=st.sampled_from([1, 45, 90, 3000, 7 * 3600]))
    def wait(self, seconds: int) -> None:
        type(self).now += seconds
        late = [j for j in self.jobs if j.expires_at is not None and j.expires_at <= self.now]
        freed = {job.job_id for job in self.do(leases.expire, self.now)}
        assert freed == {job.job_id for job in late if job.expire()}

    @rule(seconds=st.sampled_from([0, 100, 4000]))
    def remove(self, seconds: int) -> None:
        """Remove what ended so long ago, and nothing else; what was paid stays booked."""
        place: Place | None = Place()
        while place is not None:
            place = self.do(removal.remove, place, self.now - seconds, self.now)
        for job in self.jobs:
            job.removed |= job.ended_at is not None and job.ended_at < self.now - seconds
        gone = [job.job_id for job in self.jobs if job.removed]
        for table in (lease_rows, events):
            query = sa.select(table.c.job_id).where(table.c.job_id.in_(gone))
            assert self.do(lambda connection: connection.execute(query).all()) == []  # noqa: B023 - done in this turn

    @rule(one=held)
    def complete(self, one: tuple[Job, Lease]) -> None:
        said = Completion(**COMPLETION, lease_id=one[1].lease_id)
        repeated = one[0].told(one[1], "completed")
        taken = self.accepted(outcomes.complete, one[0].job_id, one[1].agent_id, said, self.now)
        assert taken == (one[0].end(one[1], "completed") or repeated)

    @rule(one=held, fault=st.sampled_from(["exited", "internal"]))
    def fail(self, one: tuple[Job, Lease], fault: str) -> None:
        job, lease = one
        said = Failure(**FAILURE, error_type=fault, lease_id=lease.lease_id)
        heard = job.told(lease, "failed") or job.called_off(lease)
        again = fault == "internal" and job.attempts < job.max_attempts
        taken = self.accepted(outcomes.fail, job.job_id, lease.agent_id, said, self.now)
        assert taken == (job.end(lease, "failed", again=again) or heard)

    @rule(one=held)
    def release(self, one: tuple[Job, Lease]) -> None:
        said = Release(lease_id=one[1].lease_id)
        repeated = one[0].told(one[1], "released")
        taken = self.accepted(returns.release, one[0].job_id, one[1].agent_id, said, self.now)
        assert taken == (one[0].end(one[1], "released", again=True) or repeated)

    @rule(one=held)
    def cancel_held(self, one: tuple[Job, Lease]) -> None:
        self.cancel(one[0])

    def cancel(self, job: Job) -> None:
        over = job.status in {"completed", "failed"} or job.removed
        assert self.accepted(outcomes.cancel, job.job_id, self.now) is not over
        if not over and job.status != "cancelled":
            expired = bool(job.leases) and job.leases[-1].outcome is not None
            outcome = job.leases[-1].outcome if expired else "cancelled"
            job.become("cancelled", outcome)

    @invariant()
    def agrees(self) -> None:
        ours = [job.job_id for job in self.jobs]
        columns = jobs.c.job_id, jobs.c.status, jobs.c.attempts, HELD_BY
        query = sa.select(*columns).where(jobs.c.job_id.in_(ours))
        rows = self.do(lambda connection: connection.execute(query).all())
        known = [job for job in self.jobs if not job.removed]
        assert {tuple(row) for row in rows} == {
            (job.job_id, job.status, job.attempts, len(job.leases)) for job in known
        }
        for job in known:
            if job.ended_at is None and job.status in FINAL:
                job.ended_at = self.now

    @invariant()
    def paid(self) -> None:
        done = [job for job in self.jobs if job.status == "completed"]
        audit = self.do(ledger.audit)
        assert audit.exact
        assert audit.entries - self.before.entries == len(done)
        booked = audit.booked_micro - self.before.booked_micro
        assert booked == sum(job.reward_micro for job in done)

    def teardown(self) -> None:
        for job in getattr(self, "jobs", []):
            if job.status not in FINAL:
                self.do(outcomes.cancel, job.job_id, self.now)


@pytest.mark.timeout(600)
def test_the_store_does_what_the_model_says(database_url: str) -> None:
    with Database(database_url) as database:
        machine = type("Store", (Store,), {"database": database})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=30,
                stateful_step_count=40,
                derandomize=True,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
