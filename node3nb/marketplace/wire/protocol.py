"""The words that travel between agents, consumers and a marketplace.

What others send us is read tolerantly (`Heard`): unknown fields are kept and ignored, missing
optional ones take defaults.  What our own server takes is read strictly (`Asked`): an unknown
field or a wrong type is refused by name.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from node3nb.jobs import Isolation
from node3nb.marketplace.wire.job_wire import (
    JobNeeds,
    JobOffer,
    JobSubmission,
    StrictJobNeeds,
    read_job,
)
from node3nb.marketplace.wire.words import (
    API_KEY_HEADER,
    LEASE_HEADER,
    MAX_REPORT_BYTES,
    MAX_WAIT_S,
    REQUIRE_CONTAINER,
    SHA256_HEADER,
    Asked,
    Bytes,
    Few,
    GivenLease,
    GivenName,
    Heard,
    JobStatus,
    LeaseId,
    Measures,
    PlainTexts,
    Reported,
    Seconds,
    Time,
    complaint,
    first_complaint,
)

__all__ = [
    "API_KEY_HEADER",
    "LEASE_HEADER",
    "MAX_REPORT_BYTES",
    "MAX_WAIT_S",
    "REQUIRE_CONTAINER",
    "SHA256_HEADER",
    "Acceptance",
    "Accepted",
    "Asked",
    "AvailableAnswer",
    "AvailableQuery",
    "Completion",
    "Failure",
    "Heard",
    "Heartbeat",
    "HeartbeatAnswer",
    "JobNeeds",
    "JobOffer",
    "JobStatus",
    "JobSubmission",
    "JobSummary",
    "JobView",
    "Outcome",
    "Registered",
    "Registration",
    "Release",
    "StoredArtifact",
    "StrictJobNeeds",
    "UploadAsked",
    "UploadPermit",
    "complaint",
    "first_complaint",
    "read_job",
]


class Registration(Asked):
    """`POST /api/agents/register`."""

    wallet_address: Annotated[str, Field(min_length=1, max_length=256)]
    gpu_model: Annotated[str, Field(max_length=256)]
    gpu_vendor: Annotated[str, Field(max_length=256)]
    gpu_memory: Bytes
    compute_capability: Annotated[str, Field(max_length=64)] | float | None = None


class Registered(Heard):
    """Answer to a registration; the key is shown this once."""

    agent_id: GivenName
    api_key: Annotated[str, Field(pattern=r"^[!-~]{1,4096}$", repr=False)]
    message: str = ""


class Heartbeat(Asked):
    """`POST /api/agents/heartbeat`, in our longer form."""

    #: Lease id by job id, for every job the agent holds.
    jobs: PlainTexts = Field(default_factory=dict)
    #: The provider's state, for people to read.
    state: Annotated[str, Field(max_length=64)] = ""


class HeartbeatAnswer(Heard):
    """Answer to a heartbeat; the lists are empty from a base marketplace."""

    status: str = ""
    timestamp: str = ""
    #: New expiry by job id, for every lease renewed.
    leases: dict[str, str] = Field(default_factory=dict)
    #: Jobs whose submitter called them off.
    cancel: list[str] = Field(default_factory=list)
    #: Jobs that are not this agent's any more.
    unknown: list[str] = Field(default_factory=list)


class AvailableQuery(Asked):
    """`POST /api/jobs/available`; what follows `max_concurrent_jobs` is ours."""

    gpu_model: str = ""
    gpu_vendor: str = ""
    gpu_type: str | None = ""
    compute_framework: str | None = ""
    gpu_memory: Bytes = 0
    compute_capability: str | float | None = None
    max_concurrent_jobs: Annotated[int, Field(ge=0, le=100_000)] = 1
    #: Longest the server may hold the call open, in seconds; 0 answers at once.
    wait_s: Annotated[float, Field(ge=0, le=MAX_WAIT_S)] = 0.0
    #: Strongest isolation the agent has; None is unknown.
    isolation: Annotated[Isolation, Field(strict=False)] | None = None
    #: Executors the agent has: native, container; None is unknown.
    executors: Annotated[list[str], Few] | None = None
    cpu_count: Annotated[int, Field(ge=1, le=100_000)] | None = None
    memory_bytes: Bytes | None = None
    #: Jobs the agent would take now.
    free_slots: Annotated[int, Field(ge=0, le=100_000)] | None = None


class AvailableAnswer(Heard):
    """Jobs on offer, each still as it came: one bad job must not hide the others."""

    jobs: list[Any] = Field(default_factory=list)


class Acceptance(Asked):
    """`POST /api/jobs/{id}/accept`."""

    wallet_address: Annotated[str, Field(min_length=1, max_length=256)]


class Accepted(Heard):
    """Answer to an acceptance; the lease is absent from a base marketplace."""

    status: str = ""
    job_id: str = ""
    reward: float | None = 0.0
    lease_id: GivenLease | None = None
    lease_expires_at: Time | None = None


class Completion(Asked):
    """`POST /api/jobs/{id}/complete`."""

    status: Annotated[str, Field(max_length=64)] = "completed"
    started_at: Time
    completed_at: Time
    duration: Seconds
    output_data: Reported = None
    execution_time: Seconds | None = None
    metrics: Measures | None = None
    lease_id: LeaseId | None = None


class Failure(Asked):
    """`POST /api/jobs/{id}/fail`."""

    status: Annotated[str, Field(max_length=64)] = "failed"
    error_message: Annotated[str, Field(max_length=10_000)]
    error_type: Annotated[str, Field(max_length=256)] | None = None
    started_at: Time
    failed_at: Time
    output_data: Reported = None
    metrics: Measures | None = None
    lease_id: LeaseId | None = None


class Release(Asked):
    """`POST /api/jobs/{id}/release`."""

    lease_id: LeaseId
    #: Why the agent gives the job back, for its history.
    reason: Annotated[str, Field(max_length=1000)] = ""


class Outcome(Heard):
    """Answer to a completion, a failure, a release, a submission or a cancellation."""

    #: What the call made of the attempt, or of the job where no attempt is meant.
    status: str = ""
    job_id: str = ""
    reward: float | None = None
    #: Where the job itself stands now: a failed attempt may leave it available.
    job_status: str | None = None


class UploadAsked(Asked):
    """`POST` on the place of an artifact: asks where its bytes are sent, past the server."""

    #: Size of the file, in bytes.
    bytes: Bytes
    #: SHA-256 of the file, in hex.
    sha256: Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")]


class UploadPermit(Heard):
    """Answer to it: leave to send that one file, for some minutes."""

    #: Where it is sent with PUT; whoever has it can send that file, so it is never logged.
    upload_url: str = Field(repr=False)
    #: Headers that have to be sent with it, as they stand.
    headers: dict[str, str]
    #: What it is called: `POST …/arrived?upload=` with it, when the file has been sent.
    upload: str


class StoredArtifact(Heard):
    """Answer to the PUT of an artifact."""

    job_id: str
    #: Size kept, in bytes.
    bytes: int
    #: SHA-256 of what is kept, in hex.
    sha256: str


class JobSummary(Heard):
    """A job in a list."""

    job_id: str
    status: str
    job_type: str = ""
    reward: float = 0.0
    attempts: int = 0
    max_attempts: int = 1
    agent_id: str | None = None
    submitted_at: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    error_message: str | None = None
    error_type: str | None = None


class JobView(JobSummary):
    """A job as its submitter sees it (`GET /api/jobs/{id}`)."""

    #: What the agent reported: the JobResult of node3nb where it ran there.
    output_data: Any = None
    metrics: dict[str, Any] | None = None
    #: What happened to it, oldest first, one short record each.
    history: list[Any] = Field(default_factory=list)

    #: What its marketplace calls this state of it, in a header; empty when it says nothing.
    etag: SkipJsonSchema[str] = Field("", exclude=True)

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}
