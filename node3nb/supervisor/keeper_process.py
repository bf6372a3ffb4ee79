"""The life of a keeper: build a sandbox, wait for its job, keep it, give everything back.

A keeper is forked by the supervisor, or by the warm Python; it adopts every orphan of its job,
and kills the whole tree when the supervisor's end of its channel closes.
"""

from __future__ import annotations

import os
import select
from typing import NoReturn

from node3nb.supervisor import berth, linux, tree, verdict
from node3nb.supervisor.berth import Berth, Blueprint
from node3nb.supervisor.frames import Channel, Frame
from node3nb.supervisor.keeper import Keeper
from node3nb.supervisor.orders import Grant, Order
from node3nb.supervisor.sandbox.build import SandboxError
from node3nb.supervisor.sandbox.inner import Inner
from node3nb.supervisor.watch import Cause

#: Exit codes of a keeper: its job is accounted for; something went wrong; it never had a job
#: and is to be replaced.
DONE, FAILED, UNUSED = 0, 1, 2


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
        Keeper(order, grant, channel, made, cancelled=bool(more)).keep()
    except Exception as error:  # noqa: BLE001 - nobody else is there to tell
        made.sandbox.kill()
        tree.kill_below(os.getpid())
        cause = Cause("internal", f"The job could not be watched: {error or type(error).__name__}.")
        account = verdict.without_account(cause, {})
        channel.send({"event": "ended", "job": order.job, **account})


def _say_last(channel: Channel, frame: Frame) -> None:
    os.set_blocking(channel.fileno(), True)
    channel.send(frame)


def become_job(inner: Inner) -> NoReturn:
    """Be the job's process where no warm Python can: always another program."""
    go = inner.await_job()
    inner.execute(go["argv"], go["env"])
