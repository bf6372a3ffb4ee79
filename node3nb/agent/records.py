"""What a provider knows of its jobs and of itself, and what it shows of that."""

from __future__ import annotations

import enum
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

from node3nb.agent.ledger import Tally
from node3nb.agent.quota import Quota
from node3nb.executor import Executor
from node3nb.files.workspace import Workspace
from node3nb.jobs import Isolation, JobResult, JobSpec, JobState

#: Characters of a command that lists show.
SHOWN_COMMAND_CHARS = 200


class ProviderState(enum.StrEnum):
    """What a provider is doing."""

    #: It is getting ready.
    STARTING = "starting"
    #: It takes jobs.
    RUNNING = "running"
    #: It takes no jobs; those it has go on.
    PAUSED = "paused"
    #: It takes no jobs and stops when those it has are done.
    DRAINING = "draining"
    #: It ends its jobs and gives them back.
    STOPPING = "stopping"
    #: It is over.
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one job for a while; heartbeats renew it."""

    #: The job.
    job_id: str
    #: Name of this acceptance; None with a marketplace that knows no leases.
    lease_id: str | None = None
    #: When it ends unless renewed, as ISO 8601 in UTC; None is never.
    expires_at: str | None = None


@dataclass(slots=True)
class JobRecord:
    """One job of a provider, as it goes."""

    #: What is asked.
    spec: JobSpec
    #: The right to run it.
    lease: Lease
    #: What runs it.
    executor: Executor
    #: Why that one.
    why: str
    #: When it was taken, as ISO 8601 in UTC.
    accepted_at: str
    #: Fingerprint of the key it was taken with.
    agent: str = ""
    #: Name of the letter that its result will be.
    name: str = ""
    #: Isolation level it was taken for; None is not known.
    isolation: Isolation | None = None
    #: When its command started, as ISO 8601 in UTC; empty before.
    started_at: str = ""
    #: Where it stands; a final state only when its marketplace knows of it, or need not.
    state: JobState = JobState.ACCEPTED
    #: What it uses now, in bytes.
    memory_bytes: int = 0
    #: What it has used, in seconds.
    cpu_s: float = 0.0
    #: How it ended, as far as that is remembered; None while it has not.
    result: JobResult | None = None
    #: Outputs it has left that its result here does not list.
    unlisted: int = 0
    #: Its directory; None before and after.
    workspace: Workspace | None = None
    #: Where its directory is kept, as it failed; empty for nowhere.
    kept: str = ""
    #: Set when somebody asked for its end.
    cancelled: threading.Event = field(default_factory=threading.Event)
    #: Whether the owner did: then it is not taken again.
    owner_cancelled: bool = False
    #: Why its result is of no use to its marketplace; empty when it is.
    unwanted: str = ""
    #: Whether its marketplace is to hear that it can be run elsewhere.
    give_back: bool = False

    def summary(self) -> JobSummary:
        """Return what may be shown of it now; of an ended job, what it used in all."""
        used = self.result.usage if self.result else None
        return JobSummary(
            job_id=self.spec.job_id,
            job_type=self.spec.job_type,
            command=" ".join(self.spec.command)[:SHOWN_COMMAND_CHARS],
            state=self.state,
            executor=self.executor.name,
            why=self.why,
            accepted_at=self.accepted_at,
            memory_bytes=used.peak_memory_bytes if used else self.memory_bytes,
            memory_limit_bytes=self.spec.limits.memory_bytes,
            cpu_s=used.cpu_s if used else self.cpu_s,
            reward=self.spec.reward,
            message=self.result.message if self.result else "",
            isolation=self.result.isolation if self.result else self.isolation,
            started_at=self.started_at,
            wall_s=self.result.wall_s if self.result else None,
            outputs=len(self.result.outputs) + self.unlisted if self.result else 0,
            kept=self.kept,
        )


@dataclass(frozen=True, slots=True)
class JobSummary:
    """One job as a person sees it in a list."""

    #: The marketplace's name for it.
    job_id: str
    #: Kind of work.
    job_type: str
    #: Its command, shortened.
    command: str
    #: Where it stands.
    state: JobState
    #: What runs it.
    executor: str
    #: Why that one.
    why: str
    #: When it was taken, as ISO 8601 in UTC.
    accepted_at: str
    #: Memory its tree uses now, or used at most once it has ended, in bytes.
    memory_bytes: int
    #: Memory its tree may use, in bytes.
    memory_limit_bytes: int
    #: CPU time it has used, in seconds.
    cpu_s: float
    #: What it pays.
    reward: float
    #: How it ended, in a sentence; empty when there is nothing to explain.
    message: str
    #: Isolation level it runs or ran at; None when it does not run.
    isolation: Isolation | None = None
    #: When its command started, as ISO 8601 in UTC; empty before.
    started_at: str = ""
    #: Seconds it ran; None while it runs.
    wall_s: float | None = None
    #: Files it has left.
    outputs: int = 0
    #: Where its directory is kept, as it failed; empty for nowhere.
    kept: str = ""

    @property
    def explanation(self) -> str:
        """How it ended, and where its owner may look why; empty when there is nothing to say."""
        where = f"Its workspace is kept in {self.kept}" if self.kept else ""
        return f"{self.message} {where}".strip()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A provider at one moment; plain data."""

    #: What it is doing.
    state: ProviderState
    #: Why it is doing just that, in a sentence.
    reason: str
    #: Where its jobs come from.
    marketplace_url: str
    #: The marketplace's name for it; empty before it has one.
    agent_id: str
    #: Jobs it takes at once.
    slots: int
    #: Executors it has, strongest first, with what each says of itself.
    executors: tuple[str, ...]
    #: Strongest isolation level it has; None before it is known.
    isolation: Isolation | None
    #: Jobs it has and has had, newest first.
    jobs: tuple[JobSummary, ...]
    #: Jobs completed since it started.
    completed: int
    #: Jobs that ended otherwise since it started.
    failed: int
    #: Rewards of the completed ones.
    earned: float
    #: Results that still wait to be delivered, this provider's and others' of this owner.
    undelivered: int
    #: What jobs at its level may do all the same, each as the end of "a job may ...".
    not_stopped: tuple[str, ...] = ()
    #: Jobs whose run has not ended.
    running: int = 0
    #: Memory they use now, in bytes.
    jobs_memory_bytes: int = 0
    #: CPU time that all jobs have had since it started, in seconds.
    jobs_cpu_s: float = 0.0
    #: What all jobs together may have; None before that is known.
    quota: Quota | None = None
    #: The most that the owner may give them.
    most: Quota | None = None
    #: What this marketplace's jobs came to today, in all of this owner's providers.
    today: Tally = field(default_factory=Tally)
    #: What they came to in all.
    ever: Tally = field(default_factory=Tally)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)
