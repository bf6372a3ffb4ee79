"""Brings a database to the shape of this version."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from node3nb.errors import ConfigError


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Run every migration the database has not seen, within the caller's transaction.

    Raises
    ------
    ConfigError
        A newer version has been at the database.
    """
    settings = configuration(connection)
    known = {each.revision for each in ScriptDirectory.from_config(settings).walk_revisions()}
    if not known.issuperset(MigrationContext.configure(connection).get_current_heads()):
        raise ConfigError(
            "db: a newer version of node3nb has used this database; install that one, or restore "
            "the backup that was made before it."
        )
    command.upgrade(settings, revision)


def configuration(connection: sa.Connection) -> Config:
    """Return alembic's settings for the migrations that ship with this package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
