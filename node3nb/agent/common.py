"""What the parts of one provider have in common."""

from __future__ import annotations

from dataclasses import dataclass, field

from node3nb.agent.job_book import JobBook
from node3nb.agent.journal import Journal
from node3nb.agent.standing import Standing
from node3nb.agent.threads import DaemonThreads
from node3nb.errors import Node3Error


@dataclass(frozen=True, slots=True)
class Common:
    """State, jobs and events of one provider, and its threads."""

    #: What it is doing and why.
    standing: Standing = field(default_factory=Standing)
    #: Its jobs.
    book: JobBook = field(default_factory=JobBook)
    #: What happened to it.
    journal: Journal = field(default_factory=Journal)
    #: Where its blocking calls are made.
    threads: DaemonThreads = field(default_factory=lambda: DaemonThreads("node3nb-io"))

    def trouble(self, about: str, error: Exception) -> None:
        """Tell the owner of an error; one that nobody foresaw is named by its kind."""
        kind = "" if isinstance(error, Node3Error) else f"{type(error).__name__}: "
        self.journal.trouble(f"{about}{kind}{error}")
