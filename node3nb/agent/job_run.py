"""One accepted job on its own thread: its workspace, its run, its letter."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from node3nb.agent.journal import Journal, now_iso
from node3nb.agent.kept import Kept
from node3nb.agent.letter import Letter
from node3nb.agent.outbox import Outbox
from node3nb.agent.records import JobRecord
from node3nb.errors import Node3Error
from node3nb.execution import Performed, execute
from node3nb.files import workspace
from node3nb.jobs import ExitReason, JobResult, JobState, failure
from node3nb.transfers.transfer import Transfer


@dataclass(frozen=True, slots=True)
class Means:
    """What every job of a provider is run with."""

    #: The marketplace.
    marketplace_url: str
    #: Fetches inputs and sends outputs.
    transfer: Transfer
    #: Keeps results.
    outbox: Outbox
    #: Where the owner reads of it.
    journal: Journal
    #: Set when there is no time left to send outputs.
    closing: threading.Event
    #: Keeps workspaces of failed jobs.
    kept: Kept
    #: Sends what is left of a job's live log.
    finish_log: Callable[[JobRecord], None]


class JobRun:
    """Runs one job and keeps its result; the reporter of its own execution."""

    def __init__(self, record: JobRecord, means: Means) -> None:
        self._record = record
        self._means = means
        #: How it ended; None while it has not.
        self.result: JobResult | None = None
        #: The letter with the result; None when nobody wants it.
        self.letter: Letter | None = None

    @property
    def cancelled(self) -> threading.Event:
        """Set when somebody asked for the job's end."""
        return self._record.cancelled

    @property
    def closing(self) -> threading.Event:
        """Set when there is no time left to send outputs."""
        return self._means.closing

    def state(self, state: JobState) -> None:
        """Take note of the job's next state."""
        self._record.state = state
        if state is JobState.RUNNING:
            self._record.started_at = now_iso()

    def usage(self, memory_bytes: int, cpu_s: float) -> None:
        """Take note of what the running job uses now."""
        self._record.memory_bytes, self._record.cpu_s = memory_bytes, cpu_s

    def note(self, text: str) -> None:
        """Tell the owner of a step of the job's preparation."""
        self._means.journal.note(f"Job {self._record.spec.job_id}: {text}")

    def run(self, directory: Path) -> JobResult:
        """Run the job in a workspace below `directory` and return how it ended."""
        spec = self._record.spec
        try:
            with workspace.temporary(directory, spec.job_id) as place:
                self._record.workspace = place
                with contextlib.ExitStack() as over:
                    over.callback(self._keep_workspace, place)
                    why, executor = self._record.why, self._record.executor
                    execute(spec, executor, place, self._means.transfer, self, why=why)
                    if not self.closing.is_set():
                        self._means.finish_log(self._record)
        except Exception as error:  # noqa: BLE001 - whatever it is, the job has to end
            self._means.journal.trouble(f"Job {spec.job_id}: {_words(error)}")
            if self.result is None:
                told = f"The provider could not run the job: {_words(error)}"
                self.keep(Performed(failure(spec.job_id, ExitReason.INTERNAL, told), None))
        finally:
            if self.letter is not None:
                self._means.outbox.release(self.letter.name)
        return self.result or failure(spec.job_id, ExitReason.INTERNAL, "It was not run.")

    def keep(self, performed: Performed) -> Path | None:
        """Put the result into the outbox, unless nobody wants it."""
        self.result = performed.result
        if self._record.unwanted:
            return None
        if not performed.result.outputs and self._read_by_its_host():
            performed = replace(performed, archive=None, sha256="")
        letter = self.letter = self._letter(performed)
        try:
            self._means.outbox.put(letter, performed.archive)
        except OSError as error:
            self._not_kept(letter, error)
            return None
        return self._means.outbox.archive(letter.name)

    def uploaded(self) -> None:
        """Take note that the outputs have arrived."""
        if self.letter is not None:
            self._means.outbox.uploaded(self.letter.name)

    def _keep_workspace(self, place: workspace.Workspace) -> None:
        """Have a job's failure leave something to look into, where its owner wants that."""
        failed = self.result is not None and self.result.state is JobState.FAILED
        if failed and not self._record.unwanted:
            self._means.kept.keep(self._record, place)

    def _read_by_its_host(self) -> bool:
        """Whether the outputs go to a marketplace that reads in the report that there are none.

        An empty archive costs it a third of all it does for a small job; anybody else, a base
        marketplace included, gets the archive the protocol promises.
        """
        theirs = self._record.spec.output_url.startswith(f"{self._means.marketplace_url}/")
        return theirs and self._record.lease.lease_id is not None

    def _letter(self, performed: Performed) -> Letter:
        record = self._record
        return Letter(
            name=record.name,
            marketplace_url=self._means.marketplace_url,
            agent=record.agent,
            job_id=performed.result.job_id,
            lease_id=record.lease.lease_id,
            output_url=record.spec.output_url if performed.archive else "",
            ended_at=now_iso(),
            result=performed.result,
            reward=record.spec.reward,
            output_sha256=performed.sha256,
        )

    def _not_kept(self, letter: Letter, error: OSError) -> None:
        """Have the job called failed: a result that is not on the disk may never arrive."""
        told = f"The provider could not keep the job's result ({error.strerror or error})."
        self.letter = letter.failed(ExitReason.INTERNAL, told)
        self.result = self.letter.result
        self._means.journal.trouble(f"Job {letter.job_id}: {told} Make room on the disk.")
        bare = replace(self.result, stdout="", stderr="", outputs=())
        try:
            self._means.outbox.put(replace(self.letter, result=bare), None)
        except OSError:
            self._means.outbox.put_aside(self.letter)


def _words(error: Exception) -> str:
    """Return what went wrong; what is no error of ours or the system's is named by its kind."""
    known = isinstance(error, (Node3Error, OSError))
    text = str(error) if known else f"{type(error).__name__}: {error}"
    return text.encode("utf-8", "replace").decode()
