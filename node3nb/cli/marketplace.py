"""`node3nb marketplace`: host a marketplace, and say who may use it."""

from __future__ import annotations

import argparse

from node3nb.cli import market_keys
from node3nb.errors import ConfigError
from node3nb.marketplace import options


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options, and the commands below it."""
    options.add_to(parser)
    parser.set_defaults(do=marketplace)
    below = parser.add_subparsers(title="commands", metavar="COMMAND")
    purpose = "make, list, revoke and rotate the keys of a marketplace"
    market_keys.configure(below.add_parser("keys", help=purpose, description=purpose))


def marketplace(args: argparse.Namespace) -> int:
    """Serve until a signal."""
    try:
        from node3nb.marketplace.server import serve  # noqa: PLC0415 - an extra of the package
    except ImportError as error:
        told = f"A marketplace needs {error.name}; run: pip install 'node3nb[marketplace]'"
        raise ConfigError(told) from error
    serve(options.settings_of(args))
    return 0
