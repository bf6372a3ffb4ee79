"""One accepted job on its own thread: its workspace, its run, its letter."""

from __future__ import annotations

import threading
from pathlib import Path

from node3nb.agent import outbox as post
from node3nb.files import workspace
from node3nb.errors import Node3Error
from node3nb.execution import execute
from node3nb.jobs import ExitReason, JobResult, JobState, failure
from node3nb.agent.journal import Journal, now_iso
from node3nb.agent.outbox import Letter, Outbox
from node3nb.agent.records import JobRecord
from node3nb.transfers.transfer import Transfer


class JobRun:
    """Runs one job and keeps its result; the reporter of its own execution."""

    def __init__(
        self,
        record: JobRecord,
        marketplace_url: str,
        transfer: Transfer,
        outbox: Outbox,
        journal: Journal,
    ) -> None:
        self._record = record
        self._marketplace_url = marketplace_url
        self._transfer = transfer
        self._outbox = outbox
        self._journal = journal
        self._result: JobResult | None = None
        #: The letter with the result; None when nobody wants it.
        self.letter: Letter | None = None

    @property
    def cancelled(self) -> threading.Event:
        """Set when somebody asked for the job's end."""
        return self._record.cancelled

    def state(self, state: JobState) -> None:
        """Take note of the job's next state."""
        self._record.state = state

    def usage(self, memory_bytes: int, cpu_s: float) -> None:
        """Take note of what the running job uses now."""
        self._record.memory_bytes, self._record.cpu_s = memory_bytes, cpu_s

    def run(self, directory: Path) -> JobResult:
        """Run the job in a workspace below `directory` and return how it ended."""
        spec = self._record.spec
        try:
            with workspace.temporary(directory, spec.job_id) as place:
                self._record.workspace = place
                execute(spec, self._record.executor, place, self._transfer, self)
        except (Node3Error, OSError) as error:
            self._journal.trouble(f"Job {spec.job_id}: {error}")
            if self._result is None:
                told = f"The provider could not run the job: {error}"
                self.keep(failure(spec.job_id, ExitReason.INTERNAL, told), None)
        assert self._result is not None
        return self._result

    def keep(self, result: JobResult, archive: Path | None) -> Path | None:
        """Put the result into the outbox, unless nobody wants it."""
        self._result = result
        if self._record.unwanted:
            return None
        letter = Letter(
            name=post.new_name(result.job_id),
            marketplace_url=self._marketplace_url,
            job_id=result.job_id,
            lease_id=self._record.lease.lease_id,
            output_url=self._record.spec.output_url if archive else "",
            ended_at=now_iso(),
            result=result.to_dict(),
        )
        self._outbox.put(letter, archive)
        self.letter = letter
        return self._outbox.archive(letter) if archive else None

    def uploaded(self) -> None:
        """Take note that the outputs have arrived."""
        assert self.letter is not None
        self.letter = self._outbox.uploaded(self.letter)
