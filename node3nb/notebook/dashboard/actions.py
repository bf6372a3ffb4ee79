"""What the buttons do to a provider; none of it waits, and a refusal is a sentence."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable

from node3nb.agent.records import ProviderState
from node3nb.errors import Node3Error
from node3nb.provider import Provider

#: Held while a provider is being started.
_STARTING = threading.Lock()


def act(provider: Provider, word: str, answer: Callable[[str], None]) -> None:
    """Start, pause, drain or stop a provider, and answer with what is wrong, if anything is.

    Parameters
    ----------
    answer
        Called with an empty text, or with a sentence; of a start, from another thread.
    """
    if word == "start" and provider.snapshot(0).state is ProviderState.STOPPED:
        if not _STARTING.acquire(blocking=False):
            return answer("A provider is being started already.")
        # It takes as long as the isolation level needs to be found out.
        begin = functools.partial(_start, provider, answer)
        return threading.Thread(target=begin, name="node3nb-start", daemon=True).start()
    controls: dict[str, Callable[[], object]] = {
        "start": provider.resume,
        "pause": provider.pause,
        "drain": provider.drain,
        "stop": lambda: provider.stop(wait_s=0),
    }
    return answer(tried(controls[word]))


def _start(provider: Provider, answer: Callable[[str], None]) -> None:
    """Start a provider and answer; on a thread that holds the lock."""
    try:
        answer(tried(provider.start))
    finally:
        _STARTING.release()


def tried(control: Callable[[], object]) -> str:
    """Use a control and return why it refuses; empty when it does not."""
    try:
        control()
    except Node3Error as error:
        return str(error)
    return ""
