"""`node3nb marketplace`: host a marketplace."""

from __future__ import annotations

import argparse
from pathlib import Path

from node3nb.errors import ConfigError

#: The last port there is.
LAST_PORT = 65_535
#: Most processes of one marketplace here; each has a pool of connections of its own.
MOST_WORKERS = 64


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
    parser.add_argument(
        "--db",
        metavar="URL",
        help="database, NODE3_DB or a SQLite file in DIR by default; a password needs no place in "
        "it, PGPASSWORD or ~/.pgpass will do",
    )
    parser.add_argument(
        "--workers",
        type=_workers,
        default=1,
        metavar="N",
        help="processes that serve; more than one need PostgreSQL",
    )
    parser.set_defaults(do=marketplace)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is no port; give 0 to {LAST_PORT}")
    return int(text)


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text} is no number of them; give 1 to {MOST_WORKERS}")
    return int(text)


def marketplace(args: argparse.Namespace) -> int:
    """Serve until a signal."""
    try:
        from node3nb.marketplace.server import serve  # noqa: PLC0415 - an extra of the package
    except ImportError as error:
        told = f"A marketplace needs {error.name}; run: pip install 'node3nb[marketplace]'"
        raise ConfigError(told) from error
    serve(args.host, args.port, args.data, args.db, args.workers)
    return 0
