"""The life of a keeper: build a sandbox, wait for its job, keep it, give everything back.

A keeper is forked by the supervisor, or by the warm Python; it adopts every orphan of its job,
and kills the whole tree when the supervisor's end of its channel closes.
"""

from __future__ import annotations

import os
import resource
import select
import selectors
import signal
from typing import NoReturn

from node3nb.supervisor import berth, linux, tree, verdict
from node3nb.supervisor.berth import Berth, Blueprint
from node3nb.supervisor.frames import Channel, Frame
from node3nb.supervisor.keeper import Keeper
from node3nb.supervisor.orders import Grant, Order
from node3nb.supervisor.sandbox.build import SandboxError
from node3nb.supervisor.sandbox.inner import Inner
from node3nb.supervisor.watch import could_not_watch

#: Exit codes of a keeper: its job is accounted for; something went wrong; it never had a job
#: and is to be replaced.
DONE, FAILED, UNUSED = 0, 1, 2
_READ = selectors.EVENT_READ


def keep(blueprint: Blueprint, channel: Channel) -> Inner:
    """Be the keeper of one job in a freshly forked process.

    Returns only in the process that is to become the job.
    """
    code = FAILED
    try:
        linux.adopt_orphans()
        tree.remember_groups()
        made = berth.make(blueprint)
        if isinstance(made, Inner):
            channel.abandon()
            return made
        code = _serve(made, channel)
    except (SandboxError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        _say_last(channel, {"event": "unbuilt", "why": why or str(error), "pid": os.getpid()})
        code = UNUSED
    except BaseException:  # noqa: BLE001 - the supervisor is told by our end
        os._exit(FAILED)
    os._exit(code)


def _serve(made: Berth, channel: Channel) -> int:
    channel.send({"event": "parked", "pid": os.getpid(), "layers": made.layers})
    try:
        frames = _await_order(channel)
        if not frames or not made.sandbox.lives():
            return UNUSED
        _keep(frames, channel, made)
        return DONE
    finally:
        made.sandbox.kill()
        tree.kill_below(os.getpid())
        made.give_back()
        os.set_blocking(channel.fileno(), True)
        channel.flush()


def _await_order(channel: Channel) -> list[Frame] | None:
    """Wait for the job; None when the supervisor is gone or needs us no more."""
    frames: list[Frame] | None = []
    while frames == []:
        select.select([channel.fileno()], [], [])
        frames = channel.receive()
    return frames


def _keep(frames: list[Frame], channel: Channel, made: Berth) -> None:
    """Run the job; whatever goes wrong with us ends it and is its account."""
    first, *more = frames
    order, grant = Order.from_frame(first["order"]), Grant(**first["grant"])
    try:
        _Keeping(order, grant, channel, made).run(cancelled=bool(more))
    except Exception as error:  # noqa: BLE001 - nobody else is there to tell
        made.sandbox.kill()
        tree.kill_below(os.getpid())
        account = verdict.without_account(could_not_watch(error), {})
        channel.send({"event": "ended", "job": order.job, **account})


class _Keeping:
    """One job from its start to its account, with nothing else to do."""

    def __init__(self, order: Order, grant: Grant, channel: Channel, made: Berth) -> None:
        self._channel = channel
        self._sandbox = made.sandbox
        self._selector = selectors.DefaultSelector()
        self._keeper = Keeper(order, grant, made, self._selector, channel.send)
        self._status: int | None = None

    def run(self, *, cancelled: bool) -> None:
        """Run the job to its end and report it."""
        keeper, self._wake = self._keeper, _wake_on_children()
        self._selector.register(self._wake, _READ, self._hear_child)
        self._selector.register(self._channel.fileno(), _READ, self._hear_supervisor)
        keeper.begin()
        if cancelled:
            keeper.cancel()
        while self._status is None and not keeper.exhausted:
            for key, _ in self._selector.select(keeper.wait_s()):
                key.data()
            if self._status is None:
                keeper.turn()
        self._sandbox.kill()
        self._bury(tree.kill_below(os.getpid()))
        while not keeper.count():
            continue
        keeper.report(self._status, resource.getrusage(resource.RUSAGE_CHILDREN))

    def _hear_child(self) -> None:
        os.read(self._wake, 4096)
        self._bury(tree.reap())

    def _bury(self, ended: dict[int, int]) -> None:
        if self._sandbox.top in ended:
            self._status = self._sandbox.status(ended[self._sandbox.top])

    def _hear_supervisor(self) -> None:
        frames = self._channel.receive()
        if frames is None:
            self._keeper.lose()
            self._selector.unregister(self._channel.fileno())
        elif frames:
            self._keeper.cancel()


def _wake_on_children() -> int:
    """Return a descriptor that becomes readable when a child ends."""
    reader, writer = os.pipe()
    for fd in (reader, writer):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reader


def _say_last(channel: Channel, frame: Frame) -> None:
    os.set_blocking(channel.fileno(), True)
    channel.send(frame)


def become_job(inner: Inner) -> NoReturn:
    """Be the job's process where no warm Python can: always another program."""
    go = inner.await_job()
    inner.execute(go["argv"], go["env"])
