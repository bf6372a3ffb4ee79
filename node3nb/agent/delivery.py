"""Results on their way from the outbox to their marketplace."""

from __future__ import annotations

import contextlib
import threading

from node3nb.agent import reports
from node3nb.agent.letter import Letter
from node3nb.agent.outbox import Outbox
from node3nb.agent.records import Lease
from node3nb.errors import LeaseLost, MarketplaceRejected
from node3nb.jobs import ExitReason, JobState
from node3nb.marketplace.client import MarketplaceClient
from node3nb.marketplace.protocol import Release
from node3nb.transfers.transfer import Transfer, UploadRefused


class Delivery:
    """Sends each letter's outputs, then its report, then forgets the letter; blocking.

    Parameters
    ----------
    client
        The marketplace.
    transfer
        Sends outputs.
    outbox
        Where the letters are.
    closing
        Set when there is no time left to send outputs.
    """

    def __init__(
        self,
        client: MarketplaceClient,
        transfer: Transfer,
        outbox: Outbox,
        closing: threading.Event,
    ) -> None:
        self._client = client
        self._transfer = transfer
        self._outbox = outbox
        self._closing = closing

    def waiting(self) -> list[Letter]:
        """Return what this agent has not delivered yet."""
        return self._outbox.letters(self._client.url, self._client.fingerprint)

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
        with contextlib.suppress(LeaseLost):
            self._client.fail(lease.job_id, reports.lost(lease.lease_id, reason))

    def deliver(self, letter: Letter) -> Letter | None:
        """Deliver one letter and forget it; return it as it was sent.

        Returns
        -------
        Letter or None
            None when another thread or process delivers it.

        Raises
        ------
        LeaseLost
            The marketplace wants it no more; it is forgotten.
        MarketplaceError, UploadError, TransferCancelled, OSError
            It could not be delivered now; it stays in the outbox.
        """
        if not self._outbox.claim(letter):
            return None
        try:
            sent = self._uploaded(letter)
            try:
                self._report(sent)
            except LeaseLost:
                self._outbox.remove(letter)
                raise
            self._outbox.remove(letter)
        finally:
            self._outbox.release(letter)
        return sent

    def _uploaded(self, letter: Letter) -> Letter:
        if not letter.output_url:
            return letter
        archive = self._outbox.archive(letter)
        try:
            self._transfer.send(archive, letter.output_url, cancelled=self._closing)
        except UploadRefused as error:
            return letter.failed(ExitReason.UPLOAD_ERROR, str(error))
        return self._outbox.uploaded(letter)

    def _report(self, letter: Letter) -> None:
        """Report in our form; a server that does not understand it gets the base one."""
        try:
            self._send(letter, bare=False)
        except MarketplaceRejected:
            self._send(letter, bare=True)

    def _send(self, letter: Letter, *, bare: bool) -> None:
        if letter.result.state is JobState.COMPLETED:
            self._client.complete(letter.job_id, reports.completion(letter, bare=bare))
        else:
            self._client.fail(letter.job_id, reports.failure(letter, bare=bare))
