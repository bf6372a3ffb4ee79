"""Smaller answers of the magics, each with its text and its HTML."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node3nb import examination, inert_text
from node3nb.agent.journal import Entry
from node3nb.agent.records import ProviderState
from node3nb.jobs import OutputFile
from node3nb.notebook import page
from node3nb.sizes import shown_bytes

#: Events that `why` tells.
TOLD = 12
#: Files of a job that are shown.
LISTED = 50


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
        return page.sentence(self._sentence()) + (f"<ul {page.NO_MATH}>{told}</ul>" if told else "")

    @property
    def _last(self) -> tuple[Entry, ...]:
        return self.events[-TOLD:]

    def _sentence(self) -> str:
        return f"The provider is {self.state}. {inert_text.line(self.reason, 600)}"


@dataclass(frozen=True, repr=False, slots=True)
class Outputs:
    """The files a job has left."""

    #: The job.
    job_id: str
    #: Its files; None while it has not ended.
    files: tuple[OutputFile, ...] | None
    #: Where they have been saved; None for nowhere.
    saved: Path | None = None

    def __iter__(self) -> Iterator[OutputFile]:
        return iter(self.files or ())

    def __len__(self) -> int:
        return len(self.files or ())

    def __repr__(self) -> str:
        rows = page.columns(_OUTPUT_HEADS, map(_output_row, self._first)) if self.files else ""
        return page.paragraphs(self._sentence(), rows)

    def _repr_html_(self) -> str:
        if not self.files:
            return page.sentence(self._sentence())
        return page.table(self._sentence(), _OUTPUT_HEADS, map(_output_row, self._first))

    @property
    def _first(self) -> tuple[OutputFile, ...]:
        return (self.files or ())[:LISTED]

    def _sentence(self) -> str:
        job = f"Job {inert_text.line(self.job_id)[:12]}"
        if self.files is None:
            return f"{job} has not ended; its files are known then."
        if not self.files:
            return f"{job} has left no files."
        where = f", saved in {self.saved}" if self.saved else ""
        more = f", the first {LISTED} shown" if len(self.files) > LISTED else ""
        count = len(self.files)
        return f"{job} has left {count} file{'s' if count > 1 else ''}{where}{more}."


def _output_row(file: OutputFile) -> tuple[str, ...]:
    return file.path, shown_bytes(file.bytes), file.sha256[:12]


@dataclass(frozen=True, repr=False, slots=True)
class Doctor:
    """What this machine can do for jobs, and what is missing."""

    #: What was found, by name.
    found: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether jobs can run here."""
        return bool(self.found["executor"])

    def __repr__(self) -> str:
        return examination.told(dict(self.found))

    def _repr_html_(self) -> str:
        return page.pre("doctor", repr(self), name=".found")


@dataclass(frozen=True, repr=False, slots=True)
class Configuration:
    """What is chosen for `%node3`; of keys, only whether they are there."""

    #: Each choice: what it is, and whether it differs from the usual.
    choices: Mapping[str, tuple[object, bool]]
    #: What each choice is for.
    explained: Mapping[str, str]
    #: The marketplace that is meant where a line names none.
    marketplace_url: str
    #: Kinds of keys that are there for it.
    keys: tuple[str, ...]
    #: Where everything is kept that outlives the notebook.
    state_dir: str

    def __repr__(self) -> str:
        return f"{self._standing()}\n{page.columns(_CHOICE_HEADS, self._rows())}\n{_CHANGE}"

    def _repr_html_(self) -> str:
        table = page.table("Choices", _CHOICE_HEADS, self._rows())
        return page.sentence(self._standing()) + table + page.sentence(_CHANGE)

    def _standing(self) -> str:
        keys = f"keys: {', '.join(self.keys)}" if self.keys else "no key"
        return f"Marketplace {self.marketplace_url}, {keys}; what is kept is in {self.state_dir}."

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (name, f"{value}" or "-", "yours" if differs else "usual", self.explained[name])
            for name, (value, differs) in sorted(self.choices.items())
        ]


_OUTPUT_HEADS = ("path", "size", "SHA-256")
_CHOICE_HEADS = ("Node3.", "is", "", "what it is for")
_CHANGE = 'Change one by: %config Node3.memory = "1G"'


def _clock(entry: Entry) -> str:
    return f"{dt.datetime.fromisoformat(entry.at).astimezone():%H:%M:%S}"


def _mark(entry: Entry) -> str:
    return "trouble: " if entry.trouble else ""
