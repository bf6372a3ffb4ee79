"""CellRun: a cell that runs here as a job, while the notebook waits or goes on."""

from __future__ import annotations

import dataclasses
import math
import shutil
import tempfile
import threading
import time
from collections.abc import MutableMapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node3nb import inert_text
from node3nb.errors import VariableRefused
from node3nb.executor import Executor
from node3nb.files.workspace import Workspace
from node3nb.jobs import JobResult, JobSpec
from node3nb.local_run import run_here
from node3nb.notebook import page
from node3nb.notebook.answers import Logs
from node3nb.notebook.handles import Logged, whole_text
from node3nb.notebook.usage import CellResult, Recorder
from node3nb.sizes import shown_bytes
from node3nb.variables.bundle import PLACE
from node3nb.variables.luggage import Luggage

#: Longest that a thread waits deaf to interrupts, in seconds: a signal that comes as it begins to
#: wait, or to another thread, does not wake it.
DEAF_S = 0.2


@dataclass(frozen=True, slots=True)
class Places:
    """Where a cell's job finds what it reads, and where its files go."""

    #: Directory or file it gets a copy of.
    input: Path | None = None
    #: Directory its files are copied into.
    output: Path | None = None
    #: Whether they may take the place of files there.
    replace: bool = False


class CellRun(Logged):
    """A cell as a job of this machine.

    Parameters
    ----------
    spec
        The job.
    executor
        What runs it.
    places
        Its input and output.
    luggage
        The variables it gets and gives.
    names
        The notebook's variables.

    Raises
    ------
    VariableRefused
        A variable it is to get can't be carried.
    """

    def __init__(
        self,
        spec: JobSpec,
        executor: Executor,
        places: Places,
        luggage: Luggage,
        names: MutableMapping[str, Any],
    ) -> None:
        self._spec = spec
        self._executor = executor
        self._places = places
        self._luggage = luggage
        self._names = names
        self._reporter = Recorder()
        self._ending: Future[JobResult] = Future()
        self._over = threading.Event()
        self._workspace: Workspace | None = None
        self._brought: dict[str, Any] = {}
        self._refusal: VariableRefused | None = None
        #: The job's id.
        self.job_id = spec.job_id
        self._packed = _packed(luggage, names)
        # The job has a thread of its own: an interrupt must not tear through its bookkeeping.
        self._thread = threading.Thread(target=self._live, name="node3nb-cell", daemon=True)

    def start(self) -> None:
        """Start it; once it has been, nothing more."""
        if self._thread.ident is None:
            self._thread.start()

    def _live(self) -> None:
        try:
            result = run_here(
                self._spec,
                [self._executor],
                input_dir=self._places.input,
                output_dir=self._places.output,
                replace_outputs=self._places.replace,
                reporter=self._reporter,
                opened=self._opened,
                ended=self._ended,
            )
            self._ending.set_result(_with_usage(result, self._reporter))
        except BaseException as error:  # noqa: BLE001 - raised where the end is awaited
            self._ending.set_exception(error)
        finally:
            self._drop_packed()
            self._over.set()

    def _opened(self, place: Workspace) -> None:
        self._workspace = place
        if self._packed is not None:
            shutil.move(Path(self._packed.name, PLACE), place.input / PLACE)
            self._drop_packed()

    def _drop_packed(self) -> None:
        if self._packed is not None:
            self._packed.cleanup()
            self._packed = None

    def _ended(self, result: JobResult, place: Workspace) -> JobResult:
        self._workspace = None
        if result.ok:
            try:
                self._brought = self._luggage.unpack(place.output)
            except VariableRefused as error:
                self._refusal = error
        return self._luggage.besides(result)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return not self._over.is_set()

    @property
    def stands(self) -> str:
        """Where it stands."""
        if self.running:
            return f"{self._reporter.step or self._reporter.now}, {self.progress}"
        if self._ending.exception() is not None:
            return "not run"
        return str(self._ending.result().state)

    @property
    def progress(self) -> str:
        """What it uses now, in a line."""
        points = self._reporter.points
        used = f", {shown_bytes(points[-1].memory_bytes)} of memory" if points else ""
        return f"{self._reporter.ran_s:.0f} s{used}"

    def wait(self, timeout_s: float | None = None) -> JobResult:
        """Wait until it has ended, bring its variables into the notebook, and return how.

        An interrupt ends the waiting only; `cancel` ends the job.

        Parameters
        ----------
        timeout_s
            Longest to wait, in seconds; None is for ever.

        Raises
        ------
        TimeoutError
            It has not ended in time; it goes on.
        VariableRefused
            A variable it gave can't be taken from what it wrote.
        Node3Error
            It could not be run here.
        """
        self.await_end(timeout_s)
        result = self._ending.result()
        self._bring_out()
        return result

    def await_end(self, timeout_s: float | None) -> None:
        """Wait until it has ended, and leave everything as it is.

        Raises
        ------
        TimeoutError
            It has not ended in time; it goes on.
        """
        due = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while not self._over.wait(max(0.0, min(DEAF_S, due - time.monotonic()))):
            if time.monotonic() >= due:
                told = f"Job {self.job_id} still runs after {timeout_s:g} s; it goes on."
                raise TimeoutError(told)

    def result(self) -> JobResult | None:
        """Return how it ended, its variables with it; None while it has not."""
        return None if self.running else self.wait()

    def _bring_out(self) -> None:
        """Give the notebook the variables, once: it may have changed them since."""
        brought, self._brought = self._brought, {}
        self._names.update(brought)
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            raise refusal

    def cancel(self) -> None:
        """Ask for its end, on the stopping ladder; returns at once."""
        self._reporter.cancelled.set()
        self._executor.cancel(self.job_id)

    def look(self) -> tuple[Logs, bool]:
        """Return what it has printed so far, and whether it has ended."""
        if not self.running:
            ended = self._ending.exception() is None
            result = self._ending.result() if ended else None
            printed = (result.stdout, result.stderr) if result else ("", "")
            return Logs(self.job_id, *printed), True
        place = self._workspace
        if place is None:
            return Logs(self.job_id, "", ""), False
        # Of a log that grows too long the beginning stays; the rest changes until the end.
        steady = self._spec.limits.log_bytes - self._spec.limits.log_bytes // 2
        out, err = (whole_text(place.read_log(stream, steady)) for stream in ("stdout", "stderr"))
        return Logs(self.job_id, out, err), False

    def __repr__(self) -> str:
        return f"<CellRun {self.job_id}: {inert_text.line(self.stands)}>"

    def _repr_html_(self) -> str:
        return page.facts([("job", self.job_id), ("status", inert_text.line(self.stands))])


def _packed(
    luggage: Luggage, names: MutableMapping[str, Any]
) -> tempfile.TemporaryDirectory[str] | None:
    """Write the variables the job gets, as they are now, into a directory of their own."""
    if not luggage.into:
        return None
    packed = tempfile.TemporaryDirectory(prefix="node3nb-")
    try:
        luggage.pack(names, Path(packed.name))
    except BaseException:
        packed.cleanup()
        raise
    return packed


def _with_usage(result: JobResult, reporter: Recorder) -> CellResult:
    known = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    return CellResult(**known, usage_over_time=reporter.points)
