"""Keys as a program holds them: usable, and not to be read off its state."""

from __future__ import annotations


class Secret(str):
    """A text that is itself where it is sent, and hidden where values are shown.

    A traceback with variables, a container's or a dataclass's rendering show the `repr`.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"
