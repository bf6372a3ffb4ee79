"""The jobs a provider has and has had; written and read from any thread."""

from __future__ import annotations

import itertools
import threading
from collections import deque

from node3nb.agent import remembered
from node3nb.agent.records import JobRecord, JobSummary
from node3nb.jobs import JobResult, JobState
from node3nb.supervisor.capped_log import NOTE_BYTES

#: Ended jobs remembered, and bytes of memory that all of them may take.
KEPT, KEPT_BYTES = 500, 16 << 20


class JobBook:
    """Records of jobs, the running ones and the last that ended, with their totals."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, JobRecord] = {}
        self._ended: deque[JobRecord] = deque()
        #: Those of them that their marketplace does not know of; a job that is one is not taken.
        self._unsettled: dict[str, JobRecord] = {}
        #: About how many bytes those take.
        self._ended_bytes = 0
        self._completed = self._failed = 0
        self._earned = self._ended_cpu_s = 0.0

    def open(self, record: JobRecord) -> None:
        """Enter a job that has been taken."""
        with self._lock:
            self._running[record.spec.job_id] = record

    def close(self, record: JobRecord, result: JobResult) -> None:
        """Enter how a job's run ended; its marketplace does not know yet."""
        remembered.shorten(record, result)
        record.workspace, record.memory_bytes = None, 0
        with self._lock:
            if self._running.pop(record.spec.job_id, None) is not None:
                self._ended.append(record)
                self._unsettled[record.spec.job_id] = record
                self._ended_bytes += remembered.size(record)
                self._ended_cpu_s += result.usage.cpu_s
            self._forget()

    def settle(self, job_id: str, result: JobResult) -> None:
        """Enter how a job ended in its marketplace's eyes; one that is settled stays so."""
        with self._lock:
            record = self._unsettled.pop(job_id, None)
            if record is None:
                return
            self._ended_bytes -= remembered.size(record)
            remembered.shorten(record, result)
            self._ended_bytes += remembered.size(record)
            record.state = result.state
            if result.state is JobState.COMPLETED:
                self._completed += 1
                self._earned += record.spec.reward
            else:
                self._failed += 1

    def _forget(self) -> None:
        """Forget the oldest of what has ended, until the rest may stay."""
        while self._ended and (len(self._ended) > KEPT or self._ended_bytes > KEPT_BYTES):
            oldest = self._ended.popleft()
            self._ended_bytes -= remembered.size(oldest)
            if self._unsettled.get(oldest.spec.job_id) is oldest:
                del self._unsettled[oldest.spec.job_id]

    def running(self) -> list[JobRecord]:
        """Return the jobs whose run has not ended."""
        with self._lock:
            return list(self._running.values())

    def waits(self, job_id: str) -> bool:
        """Whether a job's run has ended and its marketplace does not know."""
        with self._lock:
            return job_id in self._unsettled

    def find(self, job_id: str) -> JobRecord | None:
        """Return the newest job of an id; a beginning of one is none: this may end a job."""
        with self._lock:
            ended = (each for each in reversed(self._ended) if each.spec.job_id == job_id)
            return self._running.get(job_id) or next(ended, None)

    def logs(self, job_id: str) -> tuple[str, str] | None:
        """Return what a job has printed so far to standard output and error; None for no job.

        Of one that has ended, the end of each.
        """
        record = self.find(job_id)
        if record is None:
            return None
        result, place = record.result, record.workspace
        if result is not None:
            return result.stdout, result.stderr
        if place is None:
            return "", ""
        most = record.spec.limits.log_bytes + NOTE_BYTES
        out, err = (place.read_log(stream, most) for stream in ("stdout", "stderr"))
        return out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    def summaries(self, newest: int | None = None) -> tuple[JobSummary, ...]:
        """Return what may be shown of every job, newest first; or of so many of them.

        Jobs that run come before those that have ended.
        """
        with self._lock:
            running = list(self._running.values())[::-1]
            ended = list(itertools.islice(reversed(self._ended), newest))
        return tuple(record.summary() for record in [*running, *ended][:newest])

    def use(self) -> tuple[int, float]:
        """Return the memory all jobs use now, in bytes, and the CPU time they have had in all."""
        with self._lock:
            running = list(self._running.values())
            ended_cpu_s = self._ended_cpu_s
        memory = sum(record.memory_bytes for record in running)
        return memory, ended_cpu_s + sum(record.cpu_s for record in running)

    def count(self) -> int:
        """Return how many jobs run."""
        with self._lock:
            return len(self._running)

    def totals(self) -> tuple[int, int, float]:
        """Return how many completed, how many ended otherwise, and the rewards of the first."""
        with self._lock:
            return self._completed, self._failed, self._earned
