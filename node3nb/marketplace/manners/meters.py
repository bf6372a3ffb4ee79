"""What the marketplace measures of itself, in OpenMetrics."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

#: Media type of the text.
CONTENT_TYPE = CONTENT_TYPE_LATEST
#: Upper bounds of the durations that are told apart, in seconds; a long poll takes up to 60.
DURATIONS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Meters:
    """The measurements of one marketplace in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "node3nb_requests",
            "Calls answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._durations = Histogram(
            "node3nb_request_duration_seconds",
            "Time from a call's head to the end of its answer, waits of long polls included.",
            ("method", "route"),
            buckets=DURATIONS_S,
            registry=self._registry,
        )
        self._running = self._gauge("requests_in_progress", "Calls that are being answered.")
        self._jobs = self._gauge("jobs", "Jobs in the database, by status.", "status")
        self._agents = self._gauge("agents", "Agents in the database: total, active.", "kind")
        self._discrepancies = self._gauge(
            "ledger_discrepancies",
            "Jobs and entries of the ledger that don't agree; NaN before they have been compared.",
        )
        self._free = self._gauge("disk_free_bytes", "Room on the disk of the data directory.")
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"node3nb_{name}", meaning, labels, registry=self._registry)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Count a call while it is being answered."""
        self._running.inc()
        try:
            yield
        finally:
            self._running.dec()

    def answered(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count a call that was answered."""
        what = method, route, status
        if what not in self._known:
            labels = method, route
            self._known[what] = (
                self._requests.labels(*labels, status),
                self._durations.labels(*labels),
            )
        counter, histogram = self._known[what]
        counter.inc()
        histogram.observe(duration_s)

    def counted(self, jobs: Mapping[str, int], agents: Mapping[str, int]) -> None:
        """Take note of how many jobs and agents there are."""
        for status, number in jobs.items():
            self._jobs.labels(status).set(number)
        for kind, number in agents.items():
            self._agents.labels(kind).set(number)

    def audited(self, discrepancies: int | None) -> None:
        """Take note of how many jobs and entries of the ledger don't agree."""
        self._discrepancies.set(math.nan if discrepancies is None else discrepancies)

    def room(self, free_bytes: int) -> None:
        """Take note of how many bytes are free where the marketplace keeps everything."""
        self._free.set(free_bytes)

    def text(self) -> bytes:
        """Return all measurements as OpenMetrics text."""
        return bytes(generate_latest(self._registry))  # type: ignore[no-untyped-call]
