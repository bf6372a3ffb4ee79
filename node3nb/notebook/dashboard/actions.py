"""What the buttons do to a provider; none of it waits, and a refusal is a sentence."""

from __future__ import annotations

import threading
from collections.abc import Callable

from node3nb.agent.records import ProviderState
from node3nb.errors import Node3Error
from node3nb.provider import Provider


def act(provider: Provider, word: str, answer: Callable[[str], None]) -> None:
    """Start, pause, drain or stop a provider, and answer with what is wrong, if anything is.

    Parameters
    ----------
    answer
        Called with an empty text, or with a sentence; of a start, from another thread.
    """
    if word == "start" and provider.snapshot(0).state is ProviderState.STOPPED:

        def begin() -> None:
            answer(tried(provider.start))

        # It takes as long as the isolation level needs to be found out.
        threading.Thread(target=begin, name="node3nb-start", daemon=True).start()
        return
    controls: dict[str, Callable[[], object]] = {
        "start": provider.resume,
        "pause": provider.pause,
        "drain": provider.drain,
        "stop": lambda: provider.stop(wait_s=0),
    }
    answer(tried(controls[word]))


def tried(control: Callable[[], object]) -> str:
    """Use a control and return why it refuses; empty when it does not."""
    try:
        control()
    except Node3Error as error:
        return str(error)
    return ""
