"""Results on their way from the outbox to their marketplace."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from typing import Any

from node3nb.errors import LeaseLost, MarketplaceRejected
from node3nb.jobs import ExitReason, JobState
from node3nb.agent.journal import Journal, now_iso
from node3nb.marketplace.client import MarketplaceClient
from node3nb.marketplace.protocol import Completion, Failure, Release
from node3nb.agent.outbox import Letter, Outbox
from node3nb.agent.records import Lease
from node3nb.transfers.transfer import Transfer, UploadRefused

#: Characters of each log that travel with a report; the head and the tail.
LOG_CHARS = 64 * 1024


class Delivery:
    """Sends each letter's outputs, then its report, then forgets the letter."""

    def __init__(
        self, client: MarketplaceClient, transfer: Transfer, outbox: Outbox, journal: Journal
    ) -> None:
        self._client = client
        self._transfer = transfer
        self._outbox = outbox
        self._journal = journal
        self._lock = threading.Lock()
        self._busy: set[str] = set()

    def waiting(self) -> list[Letter]:
        """Return what has not been delivered yet."""
        return self._outbox.letters(self._client.url)

    def leases(self) -> dict[str, str]:
        """Return the leases under which undelivered results were made: lease id by job id."""
        return {each.job_id: each.lease_id for each in self.waiting() if each.lease_id}

    def give_back(self, lease: Lease, reason: str) -> None:
        """Give a job back unrun; a base marketplace can only be told that it failed.

        Raises
        ------
        MarketplaceError
            The marketplace could not be told.
        """
        if lease.lease_id is not None:
            with contextlib.suppress(LeaseLost, MarketplaceRejected):
                self._client.release(lease.job_id, Release(lease_id=lease.lease_id, reason=reason))
            return
        now = now_iso()
        lost = Failure(
            status="failed",
            error_message=reason,
            error_type=ExitReason.LOST,
            started_at=now,
            failed_at=now,
        )
        with contextlib.suppress(LeaseLost):
            self._client.fail(lease.job_id, lost)

    def deliver(self, letter: Letter) -> None:
        """Deliver one letter, unless another thread does; it is forgotten when it has arrived.

        Raises
        ------
        MarketplaceError, UploadError
            It could not be delivered now; it stays in the outbox.
        """
        if not self._claim(letter):
            return
        try:
            self._report(self._upload(letter))
        except LeaseLost as error:
            self._journal.trouble(f"The result of job {letter.job_id} is not wanted any more: {error}")
        finally:
            with self._lock:
                self._busy.discard(letter.name)
        self._outbox.remove(letter)

    def _claim(self, letter: Letter) -> bool:
        with self._lock:
            if letter.name in self._busy:
                return False
            self._busy.add(letter.name)
            return True

    def _upload(self, letter: Letter) -> Letter:
        if not letter.output_url:
            return letter
        archive = self._outbox.archive(letter)
        try:
            self._transfer.send(archive, letter.output_url, cancelled=threading.Event())
        except UploadRefused as error:
            return _without_outputs(letter, str(error))
        return self._outbox.uploaded(letter)

    def _report(self, letter: Letter) -> None:
        if letter.result["state"] == JobState.COMPLETED:
            self._client.complete(letter.job_id, _completion(letter))
        else:
            self._client.fail(letter.job_id, _failure(letter))


def _without_outputs(letter: Letter, message: str) -> Letter:
    """Return the letter of a job whose outputs nobody takes: it can't be called complete."""
    refused = {"state": JobState.FAILED, "reason": ExitReason.UPLOAD_ERROR, "message": message}
    return replace(letter, output_url="", result={**letter.result, **refused})


def _completion(letter: Letter) -> Completion:
    result = letter.result
    started_at, ended_at = _times(letter)
    return Completion(
        status="completed",
        started_at=started_at,
        completed_at=ended_at,
        duration=result["wall_s"],
        execution_time=result["wall_s"],
        output_data=_told(result),
        metrics=_metrics(result),
        **_lease(letter),
    )


def _failure(letter: Letter) -> Failure:
    result = letter.result
    started_at, ended_at = _times(letter)
    return Failure(
        status="failed",
        error_message=result["message"][:10_000] or f"The job ended: {result['reason']}.",
        error_type=result["reason"],
        started_at=started_at,
        failed_at=ended_at,
        output_data=_told(result),
        metrics=_metrics(result),
        **_lease(letter),
    )


def _times(letter: Letter) -> tuple[str, str]:
    return letter.result["started_at"] or letter.ended_at, letter.ended_at


def _lease(letter: Letter) -> dict[str, Any]:
    """Name the lease only to a marketplace that gave one: a base one knows no such field."""
    return {} if letter.lease_id is None else {"lease_id": letter.lease_id}


def _metrics(result: dict[str, Any]) -> dict[str, Any]:
    return {**result["usage"], "startup_ms": result["startup_ms"]}


def _told(result: dict[str, Any]) -> dict[str, Any]:
    """Return the result with its logs cut to what a report may carry."""
    told = dict(result)
    for stream in ("stdout", "stderr"):
        text = result[stream]
        if len(text) > LOG_CHARS:
            told[stream] = f"{text[: LOG_CHARS // 2]}\n[...]\n{text[-LOG_CHARS // 2 :]}"
            told[f"{stream}_truncated"] = True
    return told
