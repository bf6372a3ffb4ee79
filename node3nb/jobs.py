"""What a job is: what it asks, where it stands, how it ended.  Plain frozen data, no I/O.

Memory and sizes are bytes, durations seconds, times ISO 8601 in UTC, unless a name says
otherwise.  Everything here can be pickled and shipped to where the job runs.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from node3nb import job_checks
from node3nb.job_words import ExitReason, Isolation, JobState, Network, Start

__all__ = [
    "GIB",
    "MIB",
    "ExitReason",
    "Isolation",
    "JobResult",
    "JobSpec",
    "JobState",
    "Network",
    "OutputFile",
    "Requirements",
    "ResourceLimits",
    "Start",
    "Usage",
    "failure",
    "new_job_id",
]

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """Caps on one job's whole process tree and workspace."""

    #: Cores the tree may use; rounded up to whole ones.
    cpus: float = 1.0
    #: Memory of the whole tree, in bytes.
    memory_bytes: int = 2 * GIB
    #: Bytes on disk in the job's workspace, input not counted.
    disk_bytes: int = 4 * GIB
    #: Files and directories in the job's workspace, input not counted.
    disk_files: int = 100_000
    #: Wall-clock time, in seconds.
    timeout_s: float = 3600.0
    #: Processes and threads alive at once.
    processes: int = 256
    #: Bytes kept of standard output and of standard error, each; head and tail stay.
    log_bytes: int = MIB
    #: Seconds between the polite signal and the kill.
    grace_s: float = 10.0

    def __post_init__(self) -> None:
        job_checks.check_numbers(
            cpus=self.cpus,
            memory_bytes=self.memory_bytes,
            disk_bytes=self.disk_bytes,
            disk_files=self.disk_files,
            timeout=self.timeout_s,
            processes=self.processes,
            log_bytes=self.log_bytes,
            grace_s=self.grace_s,
        )


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a machine must offer before it may take the job."""

    #: GPUs the job needs.
    gpus: int = 0
    #: Memory of each GPU, in bytes.
    gpu_memory_bytes: int = 0
    #: Weakest isolation level the job accepts; None accepts any.
    isolation: Isolation | None = None
    #: The network the job needs.
    network: Network = Network.NONE
    #: Whether the job needs the container of its own image.
    container: bool = False

    def __post_init__(self) -> None:
        job_checks.check_numbers(gpus=self.gpus, gpu_memory_required=self.gpu_memory_bytes)


def new_job_id() -> str:
    """Return an id for a job that no marketplace has named."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What is asked: a command, its files, its limits.

    Raises
    ------
    JobSpecError
        A field can't be accepted; the message names it.
    """

    #: Program and arguments; never seen by a shell.
    command: tuple[str, ...]
    #: The marketplace's name for the job, safe as a file name.
    job_id: str = field(default_factory=new_job_id)
    #: Kind of work, in the submitter's words.
    job_type: str = "computation"
    #: Container image; empty means any Python.
    image: str = ""
    #: Variables added to the few that every job gets.
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Small text files written into the job's working directory, by name.
    files: Mapping[str, str] = field(default_factory=dict)
    #: URL the input is fetched from; empty for none.
    input_url: str = ""
    #: SHA-256 of what the input URL gives, in hex; empty is unchecked.
    input_sha256: str = ""
    #: URL the outputs are sent to with PUT; empty for none.
    output_url: str = ""
    #: Caps on the run.
    limits: ResourceLimits = field(default_factory=ResourceLimits)
    #: What the machine must offer.
    requirements: Requirements = field(default_factory=Requirements)
    #: How its interpreter comes to be, if it is a Python job without a container.
    start: Start = Start.AUTO
    #: Seconds the submitter thinks it takes; 0 is unknown.
    estimated_duration_s: float = 0.0
    #: What the marketplace pays for its completion, in its own currency.
    reward: float = 0.0

    def __post_init__(self) -> None:
        job_checks.check_job_id(self.job_id)
        job_checks.check_command(self.command)
        job_checks.check_environment(self.environment)
        job_checks.check_files(self.files)
        job_checks.check_texts(
            job_type=self.job_type,
            image=self.image,
            input_url=self.input_url,
            output_url=self.output_url,
        )
        job_checks.check_sha256(self.input_sha256)
        job_checks.check_numbers(reward=self.reward, estimated_duration=self.estimated_duration_s)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run really used, measured over its whole process tree."""

    #: User plus system time, in seconds.
    cpu_s: float = 0.0
    #: Largest memory of the tree at one time, in bytes; of a job that ended before it could be
    #: measured, what its largest process had resident at the most, shared pages included.
    peak_memory_bytes: int = 0
    #: Bytes on disk in the workspace at the end, input not counted.
    written_bytes: int = 0
    #: Most processes alive at one time.
    peak_processes: int = 0
    #: Bytes read from devices; 0 where that is not measured.
    io_read_bytes: int = 0
    #: Bytes written to devices; 0 where that is not measured.
    io_written_bytes: int = 0


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One file the job left in its output directory."""

    #: Path below the output directory, with forward slashes.
    path: str
    #: Its size.
    bytes: int
    #: SHA-256 of its content, in hex.
    sha256: str


@dataclass(frozen=True, slots=True)
class JobResult:
    """How one run ended, whichever executor ran it."""

    #: The job.
    job_id: str
    #: Final state: completed, failed or cancelled.
    state: JobState
    #: Why the run ended.
    reason: ExitReason
    #: One sentence for a person; empty when there is nothing to explain.
    message: str = ""
    #: The command's own exit code; None when it did not exit by itself.
    exit_code: int | None = None
    #: Number of the signal that ended the command; None when none did.
    signal: int | None = None
    #: Executor that ran it: native or container; empty when none did.
    executor: str = ""
    #: Why it went there, in a sentence.
    why: str = ""
    #: Image it ran in, by its digest where the engine knows that; empty without a container.
    image: str = ""
    #: Isolation level it really ran at; None when it did not run.
    isolation: Isolation | None = None
    #: What kept the tree below its memory limit: cgroup, monitor, engine; empty for no run.
    memory_enforced_by: str = ""
    #: Protections that were really on, the level's own name first.
    layers: tuple[str, ...] = ()
    #: When the command started, as ISO 8601 in UTC; None when it did not.
    started_at: str | None = None
    #: Seconds from the command's start to the end of its tree.
    wall_s: float = 0.0
    #: Milliseconds from asking for the run to the command's start.
    startup_ms: float = 0.0
    #: What it used.
    usage: Usage = field(default_factory=Usage)
    #: Standard output as text, head and tail when it was too long.
    stdout: str = ""
    #: Standard error as text, head and tail when it was too long.
    stderr: str = ""
    #: Whether the middle of standard output was left out.
    stdout_truncated: bool = False
    #: Whether the middle of standard error was left out.
    stderr_truncated: bool = False
    #: Files it left, in the order of their paths.
    outputs: tuple[OutputFile, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the job completed."""
        return self.state is JobState.COMPLETED

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, keys as the fields are named."""
        return asdict(self)


def failure(job_id: str, reason: ExitReason, message: str, **known: Any) -> JobResult:
    """Return the result of a run that ended before or beside its command."""
    state = JobState.CANCELLED if reason is ExitReason.CANCELLED else JobState.FAILED
    return JobResult(job_id=job_id, state=state, reason=reason, message=message, **known)
