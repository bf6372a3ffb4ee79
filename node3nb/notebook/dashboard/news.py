"""What a view is told each second, and at first: plain data, every stranger's text inert."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from node3nb import __version__, hardware
from node3nb.agent.ledger import Tally
from node3nb.agent.quota import LEAST, Quota
from node3nb.agent.records import Snapshot
from node3nb.inert_text import line
from node3nb.meter import Reading
from node3nb.notebook.dashboard import rows

#: Characters of the reason in a tick: one tick has at most 1 kB with all around it.
REASON_CHARS = 160


def tick(now: Snapshot, reading: Reading, jobs_cpu: float) -> dict[str, Any]:
    """Return what changes all the time.

    Parameters
    ----------
    jobs_cpu
        Cores that all jobs keep busy now.
    """
    gpu = reading.gpu
    return {
        "at": round(time.time(), 1),
        "state": now.state,
        "why": line(now.reason, REASON_CHARS),
        "counts": [now.running, now.completed, now.failed, now.undelivered],
        "today": _tally(now.today),
        "ever": _tally(now.ever),
        "quota": _quota(now.quota),
        "machine": [
            round(reading.cpu, 3),
            reading.memory_bytes,
            round(gpu.busy, 2) if gpu else None,
            int(reading.received_bytes_s),
            int(reading.sent_bytes_s),
        ],
        "jobs": [round(jobs_cpu, 2), now.jobs_memory_bytes],
        "kernel": [round(reading.process_cpu, 2), reading.process_memory_bytes],
        "uses": [rows.use(job) for job in now.jobs[: rows.MOST_USES] if job.wall_s is None],
    }


def whole(now: Snapshot) -> dict[str, Any]:
    """Return what a view needs once: where the jobs come from, how they are kept, what there is."""
    machine = hardware.machine()
    return {
        "version": __version__,
        "market": line(now.marketplace_url, 200),
        "agent": line(now.agent_id, 80),
        "executors": list(now.executors),
        "level": now.isolation,
        "open": list(now.not_stopped),
        "least": _quota(LEAST),
        "most": _quota(now.most),
        "cores": machine.cores,
        "memory": machine.memory_bytes,
        "gpus": [line(gpu.model, 60) for gpu in machine.gpus],
    }


def _tally(tally: Tally) -> list[float]:
    return [tally.completed, tally.failed, round(tally.earned, 6)]


def _quota(quota: Quota | None) -> list[int]:
    return list(dataclasses.astuple(quota)) if quota else []
