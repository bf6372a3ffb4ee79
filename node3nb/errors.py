"""What can go wrong on our side, one class per thing a reader can do about it.

"The job failed" is a :class:`~node3nb.jobs.JobResult`; "we failed" is one of these.  The
docstring of a class is its default message, and every message names the next step.
"""

from __future__ import annotations

import inspect
from typing import ClassVar


class Node3Error(Exception):
    """Something in node3nb went wrong; run `node3nb doctor` and report what it prints."""

    #: Exit status of the command line when this error ends it (125: ours, not the job's).
    exit_code: ClassVar[int] = 125

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or "").split("\n\n")[0])


class ConfigError(Node3Error):
    """A setting is missing or wrong; set it as the message says and try again."""


class JobSpecError(Node3Error):
    """The job can't be read; correct the field named in the message and send it again."""


class JobRefused(Node3Error):
    """This machine does not take the job; send it to one that offers what the job asks."""


class DiskFull(Node3Error):
    """The disk is full; make room on it and try again."""


class InputError(Node3Error):
    """The job's input could not be staged; check its URL, its checksum and its size."""


class TransferCancelled(Node3Error):
    """The transfer was cancelled; start it again if it is still wanted."""


class UploadError(Node3Error):
    """The job's outputs could not be sent; they are kept here and sent again later."""


class OutputLimitError(Node3Error):
    """The job wrote more outputs than its limits allow; write fewer or smaller files."""


class ExecutorError(Node3Error):
    """The executor could not run the job; run `node3nb doctor` to see what is missing."""


class UnsupportedPlatformError(ExecutorError):
    """Native jobs are not supported on this system; install a container engine instead."""


class IsolationError(ExecutorError):
    """This machine does not reach the isolation asked for; run `node3nb doctor` to see why."""


class SupervisorLost(ExecutorError):
    """The process that runs the jobs has ended; its jobs are lost and can be run again."""


class MarketplaceError(Node3Error):
    """The marketplace did not answer as expected; it is asked again later."""


class MarketplaceUnreachable(MarketplaceError):
    """The marketplace does not answer; check its URL and your network."""


class MarketplaceUnauthorized(MarketplaceError):
    """The marketplace does not accept the API key for this; name a valid one by --keys FILE.

    In the environment NODE3_API_KEY is a provider's, NODE3_CONSUMER_KEY a submitter's, and
    NODE3_ADMIN_KEY an administrator's.
    """


class NotInvited(MarketplaceError):
    """The marketplace takes agents by invitation; have its host make one, and set NODE3_INVITATION.

    A file of keys that is named with `--keys FILE` may hold it, too.
    """


class MarketplaceBusy(MarketplaceError):
    """The marketplace asks to be left alone for a while; it is asked again after that.

    Parameters
    ----------
    message
        What the reader is told.
    retry_after_s
        Seconds to wait before the next call, as the server asked.
    """

    def __init__(self, message: str | None = None, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class MarketplaceBadAnswer(MarketplaceError):
    """The marketplace answered something that is not its protocol; check its URL."""


class MarketplaceRejected(MarketplaceError):
    """The marketplace does not understand the call; check that its URL is right."""


class CallNotOffered(MarketplaceError):
    """The marketplace does not offer this call; a marketplace of node3nb does."""


class LeaseLost(MarketplaceError):
    """The job belongs to somebody else now; its result is not wanted any more."""


class WrongState(LeaseLost):
    """The job takes no report in the state that it has at its marketplace."""


class AlreadyRunning(Node3Error):
    """A provider runs in this process already; stop it before you start another."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: a cell that is run again is no fault to be traced."""
        return [f"{type(self).__name__}: {self}"]


class NotRunning(Node3Error):
    """No provider runs; start one with `%node3 start` or `node3nb provide`."""


class VariableRefused(Node3Error):
    """A variable can't be carried between notebook and job; carry plain values or arrays."""
