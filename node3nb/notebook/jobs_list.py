"""Jobs: what a provider has run, as a list that a notebook can show."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from node3nb.agent.records import JobSummary
from node3nb.notebook.listing import Listing
from node3nb.sizes import shown_bytes


class Jobs(Listing[JobSummary]):
    """Jobs of a provider at one moment, newest first."""

    heads = ("job", "state", "command", "memory", "CPU", "executor", "reward", "message")
    noun = "job"
    none = "No jobs yet."
    times = ("accepted_at",)

    @staticmethod
    def row(item: JobSummary) -> tuple[str, ...]:
        """Return what the columns say of one job."""
        memory = f"{shown_bytes(item.memory_bytes)} of {shown_bytes(item.memory_limit_bytes)}"
        return (
            item.job_id[:12],
            item.state,
            item.command,
            memory,
            f"{item.cpu_s:.2f} s",
            item.executor,
            f"{item.reward:g}",
            item.explanation,
        )

    @staticmethod
    def fields(item: JobSummary) -> dict[str, Any]:
        """Return one job as plain data."""
        return asdict(item)
