"""Results on their way from the outbox to their marketplace."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from pathlib import Path

from node3nb.agent import reports
from node3nb.agent.earnings import Earnings
from node3nb.agent.letter import Envelope, Letter, LetterDamaged, LetterFromLater, LetterTaken
from node3nb.agent.outbox import Outbox
from node3nb.agent.records import Lease
from node3nb.errors import (
    LeaseLost,
    MarketplaceBusy,
    MarketplaceError,
    MarketplaceRejected,
    MarketplaceUnreachable,
    WrongState,
)
from node3nb.jobs import ExitReason, JobState
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.wire.protocol import JobStatus, Release
from node3nb.transfers.transfer import Transfer, UploadRefused, sha256_of

#: Why a job is given back whose provider has died.
KILLED = "The provider was killed while it had the job."
#: What is known of a report that its marketplace may have taken, where it tells no more.
_NO_ANSWER = (
    "The report was sent and its answer lost; it counts here as delivered, as the marketplace "
    "takes no other:"
)
#: Seconds after which a provider that holds a letter is taken for hung: it is delivered anyway, as
#: a report that is made twice is heard once.
HUNG_S = 900.0
#: Leases of undelivered results that are renewed; our marketplace takes 1024 in one heartbeat.
MOST_LEASES = 900


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
    earnings
        Where rewards are entered, before the letter is forgotten.
    closing
        Set when there is no time left to send outputs.
    """

    def __init__(
        self,
        client: MarketplaceClient,
        transfer: Transfer,
        outbox: Outbox,
        earnings: Earnings,
        closing: threading.Event,
    ) -> None:
        self._client = client
        self._transfer = transfer
        self._outbox = outbox
        self._earnings = earnings
        self._closing = closing
        self._reported: dict[str, Letter] = {}
        self._taken_since: dict[str, float] = {}

    def waiting(self) -> list[Envelope]:
        """Return what this agent has not delivered yet, oldest first."""
        waiting = self._outbox.envelopes(self._client.url, self._client.fingerprint)
        for gone in self._taken_since.keys() - {each.name for each in waiting}:
            self._taken_since.pop(gone, None)
        return waiting

    def leases(self) -> dict[str, str]:
        """Return the leases under which undelivered results were made: lease id by job id."""
        held = [each for each in self.waiting() if each.lease_id]
        return {each.job_id: each.lease_id for each in held[:MOST_LEASES] if each.lease_id}

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

    def give_back_orphans(self) -> list[str]:
        """Give back what an earlier provider held when it was killed; return the jobs' ids.

        Raises
        ------
        MarketplaceError
            The marketplace could not be told; what was not given back stays.
        """
        given: list[str] = []
        for envelope in self._outbox.orphans(self._client.url, self._client.fingerprint):
            try:
                self.give_back(Lease(envelope.job_id, envelope.lease_id), KILLED)
            except BaseException:
                self._outbox.leave(envelope.name)
                raise
            self._outbox.forget(envelope.name)
            given.append(envelope.job_id)
        return given

    def deliver(self, envelope: Envelope) -> Letter | None:
        """Deliver one letter and forget it; return it as it was sent.

        One that its marketplace wants no more comes back as a failure that says so.

        Returns
        -------
        Letter or None
            None when another thread delivers it, or somebody has.

        Raises
        ------
        LetterDamaged
            It can't be read; it is put aside, and its job given back.
        LetterTaken
            Another provider has it, and is not taken for hung.
        MarketplaceError, UploadError, TransferCancelled, OSError
            It could not be delivered now; it stays in the outbox.
        """
        if not self._outbox.claim(envelope.name) and not self._hung(envelope.name):
            return None
        sent: Letter | None = None
        try:
            sent = self._sent(envelope)
            self._earnings.enter(sent)
            self._outbox.remove(envelope.name)
        except FileNotFoundError:
            sent = None
        finally:
            self._outbox.release(envelope.name)
        self._reported.pop(envelope.name, None)
        self._taken_since.pop(envelope.name, None)
        return sent

    def _hung(self, name: str) -> bool:
        """Whether another provider has had a letter for too long; False for a thread of ours."""
        if not self._outbox.with_others(name):
            return False
        if time.monotonic() - self._taken_since.setdefault(name, time.monotonic()) < HUNG_S:
            raise LetterTaken
        return True

    def _sent(self, envelope: Envelope) -> Letter:
        """Return a letter that its marketplace has; one that only had to be booked is not sent."""
        if envelope.name in self._reported:
            return self._reported[envelope.name]
        try:
            letter = self._uploaded(self._outbox.read(envelope.name))
        except LetterDamaged:
            self.give_back(Lease(envelope.job_id, envelope.lease_id), "Its result was damaged.")
            self._outbox.set_aside(envelope.name)
            raise
        again = letter.lease_id is None and self._outbox.sending(letter.name)
        try:
            self._report(letter)
        except WrongState as error:
            letter = self._heard_before(letter, error) if again else _unwanted(letter, error)
        except LeaseLost as error:
            letter = _unwanted(letter, error)
        self._reported[envelope.name] = letter
        return letter

    def _heard_before(self, letter: Letter, error: WrongState) -> Letter:
        """Return a letter whose repeat is refused, as its marketplace took it the first time.

        Raises
        ------
        MarketplaceError
            The marketplace does not answer now.
        """
        try:
            status = self._client.listed(letter.job_id)
        except (MarketplaceUnreachable, MarketplaceBusy):
            raise
        except MarketplaceError:
            status = ""
        if not status:
            told = f"{letter.result.message} {_NO_ANSWER} {error}".strip()
            return replace(letter, result=replace(letter.result, message=told))
        completed = letter.result.state is JobState.COMPLETED
        heard = status == (JobStatus.COMPLETED if completed else JobStatus.FAILED)
        return letter if heard else _unwanted(letter, error)

    def set_aside(self, name: str) -> str:
        """See to a letter that can't be told whose it is; return a word about it.

        One of a later version stays where that version finds it.
        """
        if not self._outbox.claim(name):
            return ""
        try:
            self._outbox.read(name)
        except LetterFromLater as error:
            return f"The kept result {name} waits. {error}"
        except FileNotFoundError:
            return ""
        except (LetterDamaged, OSError):
            where = self._outbox.set_aside(name)
            return f"The kept result {name} can't be read; what there is of it is in {where}."
        finally:
            self._outbox.release(name)
        return ""

    def _uploaded(self, letter: Letter) -> Letter:
        archive = self._outbox.archive(letter.name)
        if not letter.output_url or archive is None:
            return letter
        if letter.output_sha256 and _sha256(archive) != letter.output_sha256:
            told = "The outputs were damaged on the provider's disk."
            return letter.failed(ExitReason.INTERNAL, told)
        url, sha256 = letter.output_url, letter.output_sha256
        try:
            self._transfer.send(archive, url, cancelled=self._closing, sha256=sha256)
        except UploadRefused as error:
            return letter.failed(ExitReason.UPLOAD_ERROR, str(error))
        self._outbox.uploaded(letter.name)
        return letter

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


def _unwanted(letter: Letter, error: LeaseLost) -> Letter:
    """Return the letter of a job that somebody else has now, or nobody."""
    told = f"The result of job {letter.job_id} is not wanted any more: {error}"
    cancelled = letter.result.state is JobState.CANCELLED
    return letter.failed(ExitReason.CANCELLED if cancelled else ExitReason.LOST, told)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return sha256_of(file)
