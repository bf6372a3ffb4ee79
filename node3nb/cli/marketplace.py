"""`node3nb marketplace`: host a marketplace."""

from __future__ import annotations

import argparse
from pathlib import Path

from node3nb.errors import ConfigError

#: The last port there is.
LAST_PORT = 65_535


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=_port, default=8000, help="port to listen on; 0 is any")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("node3nb-marketplace"),
        metavar="DIR",
        help="where it keeps everything, keys.json for those who submit to it among it",
    )
    parser.add_argument("--db", metavar="URL", help="database; a SQLite file in DIR by default")
    parser.set_defaults(do=marketplace)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is no port; give 0 to {LAST_PORT}")
    return int(text)


def marketplace(args: argparse.Namespace) -> int:
    """Serve until a signal."""
    try:
        from node3nb.marketplace.server import serve  # noqa: PLC0415 - an extra of the package
    except ImportError as error:
        told = f"A marketplace needs {error.name}; run: pip install 'node3nb[marketplace]'"
        raise ConfigError(told) from error
    serve(args.host, args.port, args.data, args.db)
    return 0
