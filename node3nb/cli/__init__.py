"""The command `node3nb`."""

from node3nb.cli.main import main

__all__ = ["main"]
