"""Brings a database to the shape of this version."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


def upgrade(connection: sa.Connection, revision: str = "head") -> None:
    """Run every migration the database has not seen, within the caller's transaction."""
    command.upgrade(configuration(connection), revision)


def configuration(connection: sa.Connection) -> Config:
    """Return alembic's settings for the migrations that ship with this package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
