"""`node3nb marketplace`: host a marketplace."""

from __future__ import annotations

import argparse
from pathlib import Path

from node3nb.errors import ConfigError
from node3nb.sizes import parse_bytes

#: The last port there is.
LAST_PORT = 65_535
#: Longest that files are kept, in days.
MOST_DAYS = 36_500
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
    _configure_keeping(parser)
    parser.set_defaults(do=marketplace)


def _configure_keeping(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--artifacts",
        metavar="URL",
        help="bucket for inputs and outputs, s3://BUCKET/PREFIX, DIR by default; its keys come "
        "from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    )
    parser.add_argument(
        "--quota",
        type=parse_bytes,
        default=64 << 30,
        metavar="SIZE",
        help="files kept for one submitter, 64G by default; outputs may go to twice as much",
    )
    for kind, days in (("inputs", 1.0), ("outputs", 30.0)):
        parser.add_argument(
            f"--keep-{kind}",
            type=_days,
            default=days,
            metavar="DAYS",
            help=f"how long {kind} are kept after their job has ended, {days:g} by default",
        )


def _days(text: str) -> float:
    if not text.replace(".", "", 1).isdecimal() or float(text) > MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text} is no number of days; give 0 to {MOST_DAYS}")
    return float(text)


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
    serve(
        args.host,
        args.port,
        args.data,
        args.db,
        args.workers,
        artifacts_url=args.artifacts,
        quota_bytes=args.quota,
        keep_inputs_days=args.keep_inputs,
        keep_outputs_days=args.keep_outputs,
    )
    return 0
