"""The words that travel between agents, consumers and a marketplace.

What others send us is read tolerantly (`Heard`): unknown fields are kept and ignored, missing
optional ones take defaults.  What our own server takes is read strictly (`Asked`): an unknown
field or a wrong type is refused by name.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from node3nb.errors import JobSpecError
from node3nb.jobs import Isolation, JobSpec, Network, Requirements, ResourceLimits

#: Environment variable by which a base marketplace asks for a container.
REQUIRE_CONTAINER = "REQUIRE_CONTAINER"
#: Header that carries every kind of key.
API_KEY_HEADER = "X-API-Key"
#: Header that names a lease where a call has no JSON body.
LEASE_HEADER = "X-Lease-Id"
#: Header that carries the SHA-256 of an artifact, in hex.
SHA256_HEADER = "X-Content-SHA256"
#: Largest `output_data` or `metrics` of a report, in bytes of JSON.
MAX_REPORT_BYTES = 1 << 20
#: Longest a long poll may wait, in seconds.
MAX_WAIT_S = 60.0


class JobStatus(enum.StrEnum):
    """Where a job stands, seen from the marketplace."""

    #: Waits for the input its submitter announced.
    PENDING = "pending"
    #: Waits for an agent.
    AVAILABLE = "available"
    #: An agent holds it.
    ACCEPTED = "accepted"
    #: Its agent fetches the input.
    DOWNLOADING = "downloading"
    #: Its command runs.
    RUNNING = "running"
    #: Its agent sends the outputs.
    UPLOADING = "uploading"
    #: It succeeded.
    COMPLETED = "completed"
    #: It ended in failure.
    FAILED = "failed"
    #: Its submitter called it off.
    CANCELLED = "cancelled"


class Heard(BaseModel):
    """Something a peer said; unknown fields are kept and ignored."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Asked(BaseModel):
    """Something our own server is asked; unknown fields and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def _empty_for_none(value: Any) -> Any:
    return "" if value is None else value


def _dict_for_none(value: Any) -> Any:
    return {} if value is None else value


#: A text whose absence may be said as null.
Text = Annotated[str, BeforeValidator(_empty_for_none)]
#: A mapping of texts whose absence may be said as null.
Texts = Annotated[dict[str, str], BeforeValidator(_dict_for_none)]
_Bytes = Annotated[int, Field(ge=0, le=1 << 50)]
_Seconds = Annotated[float, Field(ge=0, le=1e9)]


def _storable(value: Any) -> Any:
    """Refuse what is too large to keep, or what no JSON can say."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise ValueError("it holds a number or a character that JSON can't carry") from None
    if len(text) > MAX_REPORT_BYTES:
        raise ValueError(f"{len(text)} bytes are more than the {MAX_REPORT_BYTES} allowed")
    return value


#: Free-form JSON of an agent, bounded.
Reported = Annotated[Any, AfterValidator(_storable)]
_Measures = Annotated[dict[str, Any], AfterValidator(_storable)]
_Time = Annotated[str, Field(max_length=64)]
_LeaseId = Annotated[str, Field(max_length=128)]


class JobNeeds(BaseModel):
    """The `requirements` of a job: what it needs of a machine, and its caps there."""

    model_config = ConfigDict(extra="allow", frozen=True)

    #: Cores.
    cpus: Annotated[float, Field(gt=0, le=4096)] = 1.0
    #: Memory of the whole job, in bytes; None is the provider's default.
    memory_bytes: Annotated[int, Field(gt=0, le=1 << 50)] | None = None
    #: Bytes on disk the job may write; None is the provider's default.
    disk_bytes: Annotated[int, Field(gt=0, le=1 << 50)] | None = None
    #: GPUs.
    gpus: Annotated[int, Field(ge=0, le=1024)] = 0
    #: Weakest isolation level accepted; None is any.
    isolation: Annotated[Isolation, Field(strict=False)] | None = None
    #: Network the job needs.
    network: Annotated[Network, Field(strict=False)] = Network.NONE


class StrictJobNeeds(JobNeeds):
    """The `requirements` our own server takes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class JobOffer(Heard):
    """A job on the wire, as a marketplace offers it."""

    job_id: str
    command: list[str]
    job_type: Text = "computation"
    docker_image: Text = ""
    environment: Texts = Field(default_factory=dict)
    gpu_memory_required: _Bytes | None = 0
    estimated_duration: float | None = 0.0
    reward: float | None = 0.0
    timeout: float | None = 3600.0
    input_data_url: Text = ""
    output_upload_url: Text = ""
    input_sha256: Text = ""
    requirements: JobNeeds | None = None
    files: Texts = Field(default_factory=dict)


class JobSubmission(Asked):
    """A job as a consumer or an administrator submits it to our server."""

    command: list[str]
    job_type: str = "computation"
    docker_image: str = ""
    environment: dict[str, str] = Field(default_factory=dict)
    gpu_memory_required: _Bytes = 0
    estimated_duration: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    reward: Annotated[float, Field(ge=0, le=1e15)] = 0.0
    timeout: Annotated[float, Field(gt=0, le=7 * 86_400)] = 3600.0
    input_data_url: str | None = None
    output_upload_url: str | None = None
    input_sha256: str | None = None
    requirements: StrictJobNeeds = Field(default_factory=StrictJobNeeds)
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    files: dict[str, str] = Field(default_factory=dict)
    #: Whether the submitter PUTs the input later; the job is offered only after that.
    awaits_input: bool = False
    #: Name the input has where it is fetched; its ending says whether it is unpacked.
    input_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")] = (
        "input.tar.gz"
    )

    def checked(self, job_id: str) -> JobSpec:
        """Return the job this makes, under the rules every provider applies.

        Raises
        ------
        JobSpecError
            A field that a provider would refuse, named.
        """
        return read_job({"job_id": job_id, **self.model_dump(mode="json")})


def read_job(wire: object, defaults: ResourceLimits | None = None) -> JobSpec:
    """Return the job that a peer described.

    Parameters
    ----------
    wire
        One element of an `available` answer, as parsed from JSON; nothing of it is trusted.
    defaults
        Limits for what the job does not name.

    Raises
    ------
    JobSpecError
        It is not a job, or a field of it can't be honoured; the message names the field.
    """
    try:
        offer = JobOffer.model_validate(wire)
    except ValidationError as error:
        raise JobSpecError(first_complaint(error)) from None
    needs = offer.requirements or JobNeeds()
    caps = {"memory_bytes": needs.memory_bytes, "disk_bytes": needs.disk_bytes}
    return JobSpec(
        job_id=offer.job_id,
        command=tuple(offer.command),
        job_type=offer.job_type,
        image=offer.docker_image,
        environment=offer.environment,
        files=offer.files,
        input_url=offer.input_data_url,
        input_sha256=offer.input_sha256,
        output_url=offer.output_upload_url,
        limits=replace(
            defaults or ResourceLimits(),
            cpus=needs.cpus,
            timeout_s=3600.0 if offer.timeout is None else offer.timeout,
            **{name: value for name, value in caps.items() if value is not None},
        ),
        requirements=Requirements(
            gpus=needs.gpus,
            gpu_memory_bytes=offer.gpu_memory_required or 0,
            isolation=needs.isolation,
            network=needs.network,
            container=_wants_container(offer, needs),
        ),
        estimated_duration_s=offer.estimated_duration or 0.0,
        reward=offer.reward or 0.0,
    )


def _wants_container(offer: JobOffer, needs: JobNeeds) -> bool:
    asked = offer.environment.get(REQUIRE_CONTAINER, "").strip().lower() == "true"
    return asked or needs.isolation is Isolation.CONTAINER


def first_complaint(error: ValidationError) -> str:
    """Return the first fault pydantic found as one sentence that names the field."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return complaint(fault["loc"], fault["msg"])


def complaint(where: Sequence[str | int], what: str) -> str:
    """Return one inert sentence that names a field and what is wrong with it."""
    field = ".".join(ascii(part).strip("'")[:40] for part in where) or "body"
    return f"{field}: {what.removeprefix('Value error, ').rstrip('.')}."


class Registration(Asked):
    """`POST /api/agents/register`."""

    wallet_address: Annotated[str, Field(min_length=1, max_length=256)]
    gpu_model: Annotated[str, Field(max_length=256)]
    gpu_vendor: Annotated[str, Field(max_length=256)]
    gpu_memory: _Bytes
    compute_capability: str | float | None = None


class Registered(Heard):
    """Answer to a registration; the key is shown this once."""

    agent_id: str
    api_key: str
    message: str = ""


class Heartbeat(Asked):
    """`POST /api/agents/heartbeat`, in our longer form."""

    #: Lease id by job id, for every job the agent holds.
    jobs: dict[str, str] = Field(default_factory=dict)
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
    gpu_memory: _Bytes = 0
    compute_capability: str | float | None = None
    max_concurrent_jobs: Annotated[int, Field(ge=0, le=100_000)] = 1
    #: Longest the server may hold the call open, in seconds; 0 answers at once.
    wait_s: Annotated[float, Field(ge=0, le=MAX_WAIT_S)] = 0.0
    #: Strongest isolation the agent has; None is unknown.
    isolation: Annotated[Isolation, Field(strict=False)] | None = None
    #: Executors the agent has: native, container; None is unknown.
    executors: list[str] | None = None
    cpu_count: Annotated[int, Field(ge=1, le=100_000)] | None = None
    memory_bytes: _Bytes | None = None
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
    lease_id: str | None = None
    lease_expires_at: str | None = None


class Completion(Asked):
    """`POST /api/jobs/{id}/complete`."""

    status: Annotated[str, Field(max_length=64)] = "completed"
    started_at: _Time
    completed_at: _Time
    duration: _Seconds
    output_data: Reported = None
    execution_time: _Seconds | None = None
    metrics: _Measures | None = None
    lease_id: _LeaseId | None = None


class Failure(Asked):
    """`POST /api/jobs/{id}/fail`."""

    status: Annotated[str, Field(max_length=64)] = "failed"
    error_message: Annotated[str, Field(max_length=10_000)]
    error_type: Annotated[str, Field(max_length=256)] | None = None
    started_at: _Time
    failed_at: _Time
    output_data: Reported = None
    metrics: _Measures | None = None
    lease_id: _LeaseId | None = None


class Release(Asked):
    """`POST /api/jobs/{id}/release`."""

    lease_id: _LeaseId
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


class StoredArtifact(Heard):
    """Answer to the PUT of an artifact."""

    job_id: str
    #: Size kept, in bytes.
    bytes: int
    #: SHA-256 of what is kept, in hex.
    sha256: str


class JobView(Heard):
    """A job as its submitter sees it (`GET /api/jobs/{id}`)."""

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
    #: What the agent reported: the JobResult of node3nb where it ran there.
    output_data: Any = None
    metrics: dict[str, Any] | None = None
    #: What happened to it, oldest first, one short record each.
    history: list[Any] = Field(default_factory=list)

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}
