"""How what runs beside the calls asks the database."""

from __future__ import annotations

from typing import Any, Protocol


class Transactions(Protocol):
    """What takes operations, each for a transaction of its own; `Marketplace` does."""

    async def write(self, operation: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Make a change and wait until it is on disk."""

    async def read(self, operation: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Ask for what is committed."""
