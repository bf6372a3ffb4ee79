"""Smaller answers of the magics: a job's logs, and why a provider does what it does."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from node3nb import inert_text
from node3nb.agent.journal import Entry
from node3nb.agent.records import ProviderState
from node3nb.notebook import page

#: Events that `why` tells.
TOLD = 12


@dataclass(frozen=True, repr=False, slots=True)
class Logs:
    """What a job has printed; shown with its control characters made inert."""

    #: The job.
    job_id: str
    #: Standard output, as the job wrote it.
    stdout: str
    #: Standard error, as the job wrote it.
    stderr: str

    def __repr__(self) -> str:
        told = page.paragraphs(
            page.quoted("stdout", self.stdout), page.quoted("stderr", self.stderr)
        )
        return told or self._silence()

    def _repr_html_(self) -> str:
        told = page.pre("stdout", self.stdout, name=".stdout") + page.pre(
            "stderr", self.stderr, name=".stderr"
        )
        return told or page.sentence(self._silence())

    def _silence(self) -> str:
        return f"Job {inert_text.line(self.job_id)} has printed nothing yet."


@dataclass(frozen=True, repr=False, slots=True)
class Why:
    """Why a provider does what it does, in its own words."""

    #: What it is doing.
    state: ProviderState
    #: Why it is doing just that.
    reason: str
    #: What has happened, oldest first.
    events: tuple[Entry, ...]

    def __repr__(self) -> str:
        told = [
            f"  {_clock(each)} {_mark(each)}{inert_text.line(each.text, 300)}"
            for each in self._last
        ]
        return "\n".join([self._sentence(), *told])

    def _repr_html_(self) -> str:
        told = "".join(
            f"<li>{_clock(each)} {_mark(each)}{page.escape(inert_text.line(each.text, 300))}</li>"
            for each in self._last
        )
        return page.sentence(self._sentence()) + (f"<ul>{told}</ul>" if told else "")

    @property
    def _last(self) -> tuple[Entry, ...]:
        return self.events[-TOLD:]

    def _sentence(self) -> str:
        return f"The provider is {self.state}. {inert_text.line(self.reason, 600)}"


def _clock(entry: Entry) -> str:
    return f"{dt.datetime.fromisoformat(entry.at).astimezone():%H:%M:%S}"


def _mark(entry: Entry) -> str:
    return "trouble: " if entry.trouble else ""
