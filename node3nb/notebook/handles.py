"""What every job of this notebook can be asked and told, wherever it runs."""

from __future__ import annotations

import codecs
import datetime as dt
import time
from abc import ABC, abstractmethod
from typing import Protocol

from node3nb import inert_text
from node3nb.jobs import JobResult
from node3nb.notebook.answers import Logs

#: Seconds between two looks at a log that is followed.
LOOK_S = 0.2


class Handle(Protocol):
    """A job as whoever sent it off holds it."""

    job_id: str

    @property
    def stands(self) -> str:
        """Where it stands, as far as is known here; asks nobody."""

    @property
    def as_of(self) -> dt.datetime | None:
        """When that was learnt, in UTC; None where it is so now."""

    def refresh(self, within_s: float) -> None:
        """Learn where it stands, in so many seconds at the most."""

    def wait(self, timeout_s: float | None = None) -> JobResult:
        """Wait until it has ended and return how."""

    def result(self) -> JobResult | None:
        """Return how it ended; None while it has not."""

    def logs(self, *, follow: bool = False) -> Logs | None:
        """Return what it has printed so far, or print it as it comes."""

    def cancel(self) -> None:
        """Ask for its end."""


class Waited(Exception):
    """The cell has nothing good to return; the message says why.

    Parameters
    ----------
    message
        What became of the job, or of what it gave.
    answer
        What there is to show of it.
    """

    def __init__(self, message: str, answer: object) -> None:
        super().__init__(message)
        self.answer = answer


def standing(job: Handle) -> str:
    """Return where a job stands, with the time for which that is true if it may have changed."""
    known = job.as_of
    return f"{job.stands} as of {known.astimezone():%H:%M:%S}" if known else job.stands


class Interrupted(Waited):
    """The owner interrupted the kernel."""


def whole_text(data: bytes) -> str:
    """Return bytes as text; a character that has not come whole is left for later."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(data)


class Logged(ABC):
    """A job whose log can be looked at."""

    @property
    def as_of(self) -> dt.datetime | None:
        """When its state was learnt, in UTC; None where it is so now."""
        return None

    def refresh(self, within_s: float) -> None:
        """Learn where it stands; of what runs here, that is known."""
        del within_s

    @abstractmethod
    def look(self) -> tuple[Logs, bool]:
        """Return what it has printed so far, and whether that is all."""

    def logs(self, *, follow: bool = False) -> Logs | None:
        """Return what it has printed so far; of a submitted job, what its provider has told.

        Parameters
        ----------
        follow
            Print it into this cell instead, as it comes, until the job has ended.
        """
        if not follow:
            return self.look()[0]
        self._follow()
        return None

    def _follow(self) -> None:
        """Print what it prints, until it has ended."""
        printed = {"stdout": 0, "stderr": 0}
        over = False
        while not over:
            logs, over = self.look()
            for stream in printed:
                text = getattr(logs, stream)
                print(inert_text.inert(text[printed[stream] :]), end="")  # noqa: T201 - asked for
                printed[stream] = len(text)
            if not over:
                time.sleep(LOOK_S)
