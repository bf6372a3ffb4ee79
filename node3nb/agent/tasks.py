"""Tasks of an event loop: begun together, ended together, or not cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


async def first_end(over: asyncio.Task[None], loops: list[asyncio.Task[None]]) -> None:
    """Return when it is over; raise what ended a loop that should never end by itself."""
    pending = {over, *loops}
    while not over.done():
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def cancel(tasks: list[asyncio.Task[None]]) -> None:
    """End tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def to_the_end(step: Awaitable[None]) -> None:
    """Take a step that no cancellation cuts short; those that come are felt after it."""
    task = asyncio.ensure_future(step)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
