"""The words a job is described with: states, reasons, levels, networks, starts."""

from __future__ import annotations

import enum


class JobState(enum.StrEnum):
    """Where a job stands, seen from the provider that holds it."""

    #: Ours by lease; nothing has been done yet.
    ACCEPTED = "accepted"
    #: Its input is being fetched and its files written.
    STAGING = "staging"
    #: Its command runs.
    RUNNING = "running"
    #: Its outputs are being collected and sent.
    UPLOADING = "uploading"
    #: It ended with exit code 0 and its outputs are where they belong.
    COMPLETED = "completed"
    #: It ended in any other way.
    FAILED = "failed"
    #: Somebody asked for its end.
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing follows this state."""
        return self in {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED}


class ExitReason(enum.StrEnum):
    """Why a run ended; those before `CANCELLED` are the job's own doing."""

    #: The command ended by itself; its exit code says how.
    EXITED = "exited"
    #: A signal ended the command.
    SIGNALED = "signaled"
    #: The wall-clock limit passed.
    TIMED_OUT = "timed_out"
    #: The job's tree needed more memory than its limit.
    OUT_OF_MEMORY = "out_of_memory"
    #: The workspace grew beyond its limit of bytes or of files.
    DISK_LIMIT = "disk_limit"
    #: The log or the outputs are more than may be kept.
    OUTPUT_LIMIT = "output_limit"
    #: Somebody asked for its end.
    CANCELLED = "cancelled"
    #: The input could not be fetched, verified or unpacked.
    INPUT_ERROR = "input_error"
    #: The outputs could not be sent.
    UPLOAD_ERROR = "upload_error"
    #: This machine does not offer what the job asks.
    REFUSED = "refused"
    #: The process or the machine that ran it is gone.
    LOST = "lost"
    #: A fault of node3nb itself.
    INTERNAL = "internal"

    @property
    def jobs_own(self) -> bool:
        """Whether the job is at fault, so that running it elsewhere would not help."""
        return self in _JOBS_OWN


_JOBS_OWN = frozenset(list(ExitReason)[: list(ExitReason).index(ExitReason.CANCELLED)])


class Isolation(enum.StrEnum):
    """How far a job is kept from its host, weakest first."""

    #: Own session, resource limits, scrubbed environment; not for strangers.
    LIMITS = "limits"
    #: Files and signals fenced by Landlock and seccomp.
    LANDLOCK = "landlock"
    #: Own mount, process and network namespaces.
    NAMESPACES = "namespaces"
    #: A container of an engine.
    CONTAINER = "container"

    @property
    def strength(self) -> int:
        """Rank of the level; a higher one keeps the job further away."""
        return list(Isolation).index(self)


class Start(enum.StrEnum):
    """How a Python job's interpreter comes to be."""

    #: One that has started already, where there is one; a fresh one otherwise.
    AUTO = "auto"
    #: Always a fresh one.
    EXEC = "exec"


class Network(enum.StrEnum):
    """What network a job sees."""

    #: None but its own loopback, where the isolation level can enforce it.
    NONE = "none"
    #: The host's.
    HOST = "host"
