"""What the marketplace asks of a database, whichever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from node3nb.errors import ConfigError

#: Threads that read.
READERS = 2
#: How a database is named.
USE = "use sqlite:////path/to/file or postgresql+psycopg://user@host/database"


class Backend(ABC):
    """A database as it is opened, and what its failures mean; nothing is opened before use."""

    #: Threads that write.
    writers: ClassVar[int]
    #: Most operations committed together.
    batch: ClassVar[int]
    #: Connections that change something.
    writer: sa.Engine
    #: Connections that only look.
    reader: sa.Engine

    def migrate(self) -> None:
        """Bring it to the shape of this version.

        Raises
        ------
        ConfigError
            It can't be opened, or holds something else.
        """
        try:
            self._migrate()
        except DBAPIError as error:
            why = str(error.orig).strip().splitlines() or ["no reason given"]
            raise ConfigError(
                f"db: the database can't be used ({why[0]}); see that it runs and that its "
                "URL and your rights are as they should be."
            ) from None

    def close(self) -> None:
        """Close its connections."""
        self.writer.dispose()
        self.reader.dispose()

    @abstractmethod
    def _migrate(self) -> None: ...

    @abstractmethod
    def passing(self, error: DBAPIError) -> bool:
        """Whether an operation that was rolled back may succeed when it is done again at once."""

    @abstractmethod
    def gone(self, error: DBAPIError) -> bool:
        """Whether the database can't be used now, whatever the operation."""


class SharedBackend(Backend):
    """A database in which several processes may keep their jobs at once."""

    @abstractmethod
    def ring(self, connection: sa.Connection, ringer: str) -> None:
        """Tell the other processes that jobs wait, once this transaction is committed."""

    @abstractmethod
    def rings(self) -> AsyncIterator[str]:
        """Yield who tells that jobs wait, until the connection is lost."""
