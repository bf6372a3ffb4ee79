"""A job on the wire: as it is offered, as it is submitted, and how it is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError

from node3nb.errors import JobSpecError
from node3nb.jobs import Isolation, JobSpec, Network, Requirements, ResourceLimits, Start
from node3nb.marketplace.wire.words import (
    REQUIRE_CONTAINER,
    Asked,
    Bytes,
    FewFields,
    Heard,
    PlainTexts,
    Text,
    Texts,
    first_complaint,
)


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
    #: Whether a Python job may begin in an interpreter that has started already.
    start: Annotated[Start, Field(strict=False)] = Start.AUTO


class StrictJobNeeds(FewFields, JobNeeds):
    """The `requirements` our own server takes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class JobOffer(Heard):
    """A job on the wire, as a marketplace offers it."""

    job_id: str
    command: list[str]
    job_type: Text = "computation"
    docker_image: Text = ""
    environment: Texts = Field(default_factory=dict)
    gpu_memory_required: Bytes | None = 0
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

    command: Annotated[list[str], FailFast()]
    job_type: str = "computation"
    docker_image: str = ""
    environment: PlainTexts = Field(default_factory=dict)
    gpu_memory_required: Bytes = 0
    estimated_duration: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    reward: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    timeout: Annotated[float, Field(gt=0, le=7 * 86_400)] = 3600.0
    input_data_url: str | None = None
    output_upload_url: str | None = None
    input_sha256: str | None = None
    requirements: StrictJobNeeds = Field(default_factory=StrictJobNeeds)
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    files: PlainTexts = Field(default_factory=dict)
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
        if self.awaits_input and self.input_data_url:
            raise JobSpecError("awaits_input: the input has a URL already; say one of the two.")
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
        start=needs.start,
        estimated_duration_s=offer.estimated_duration or 0.0,
        reward=offer.reward or 0.0,
    )


def _wants_container(offer: JobOffer, needs: JobNeeds) -> bool:
    asked = offer.environment.get(REQUIRE_CONTAINER, "").strip().lower() == "true"
    return asked or needs.isolation is Isolation.CONTAINER
