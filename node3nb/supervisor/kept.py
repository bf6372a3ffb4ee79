"""One keeper, seen from the supervisor."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod

from node3nb.supervisor import keeper_process, verdict
from node3nb.supervisor.frames import Channel, Frame
from node3nb.supervisor.orders import Grant, Order
from node3nb.supervisor.watch import Cause


class Kept(ABC):
    """A sandbox with whoever keeps its job.

    Attributes
    ----------
    pid
        Process below which all the job's are; 0 until it is known.
    layers
        The protections of the sandbox, once it is built.
    unbuilt
        Why it could not be built; empty unless so.
    order
        The job; None while it waits for one.
    cores
        Cores the job was granted.
    started, ended
        What was told of its start, and its account; empty before.
    """

    def __init__(self, pid: int = 0) -> None:
        self.pid = pid
        self.layers: tuple[str, ...] = ()
        self.unbuilt = ""
        self.order: Order | None = None
        self.cores: tuple[int, ...] = ()
        self.started: Frame = {}
        self.ended: Frame = {}

    @abstractmethod
    def employ(self, order: Order, grant: Grant) -> None:
        """Give it its job."""

    @abstractmethod
    def cancel(self) -> None:
        """Ask for the end of the job."""

    @abstractmethod
    def dismiss(self) -> None:
        """Have it end, since no job comes any more."""

    @abstractmethod
    def let_go(self) -> None:
        """Close our descriptors of it in a fork, and so leave it to us."""

    def note(self, frame: Frame) -> bool:
        """Take note of what is told of the job; return whether it was for us alone."""
        event = frame["event"]
        if event == "ended":
            self.ended = {**frame, "layers": self.layers}
        elif event == "started":
            self.started = frame
        return event not in {"started", "usage"}

    def account(self, cause: Cause) -> Frame:
        """Return how the job ended, from what was told or else from the cause."""
        if self.ended:
            return self.ended
        if self.unbuilt:
            told = f"The sandbox could not be built ({self.unbuilt}); run `node3nb doctor`."
            cause = Cause("internal", told)
        return {**verdict.without_account(cause, self.started), "layers": self.layers}


class KeptApart(Kept):
    """One that a process of its own keeps: it adopts every orphan of the job.

    Attributes
    ----------
    channel
        The way to that process.
    """

    def __init__(self, channel: Channel, pid: int = 0) -> None:
        super().__init__(pid)
        self.channel = channel

    def employ(self, order: Order, grant: Grant) -> None:
        """Give it its job."""
        self.order, self.cores = order, grant.cores
        self.channel.send({"order": order.to_frame(), "grant": grant.to_frame()})

    def cancel(self) -> None:
        """Ask for the end of the job."""
        self.channel.send({"op": "cancel"})

    def dismiss(self) -> None:
        """Have it end, since no job comes any more."""
        self.channel.end()

    def let_go(self) -> None:
        """Close our end."""
        self.channel.close()

    def note(self, frame: Frame) -> bool:
        """Take note of what its keeper tells; return whether it was for us alone."""
        if frame["event"] in {"parked", "unbuilt"}:
            self.pid = frame["pid"]
            self.layers = frame.get("layers", ())
            self.unbuilt = frame.get("why", "")
        return super().note(frame)

    def was_unused(self, status: int) -> bool:
        """Whether it ended, with this wait status, before it could begin with its job."""
        code = os.waitstatus_to_exitcode(status)
        return code == keeper_process.UNUSED and not (self.started or self.unbuilt)
