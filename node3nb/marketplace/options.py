"""The options of a marketplace's command line, and what they make."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from node3nb import config
from node3nb.marketplace.settings import Hosting, LogFormat, Registration, Settings
from node3nb.sizes import parse_bytes

#: The last port there is.
LAST_PORT = 65_535
#: Longest that files are kept, in days.
MOST_DAYS = 36_500
#: Most processes of one marketplace here; each has a pool of connections of its own.
MOST_WORKERS = 64
#: Largest number of seconds, or of calls a second, that means anything.
MOST = 1e9
#: What can be left out of the log.
LEVELS = ("debug", "info", "warning", "error")


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add how a marketplace is run."""
    plain = Hosting()
    parser.add_argument("--host", default=plain.host, help="address to listen on; %(default)s")
    parser.add_argument(
        "--port", type=_port, default=plain.port, help="port, 0 is any; %(default)s"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("node3nb-marketplace"),
        metavar="DIR",
        help="where it keeps everything, keys.json for those who submit to it among it; "
        "%(default)s",
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
        help="processes, above 1 on PostgreSQL; 1",
    )
    _add_keeping(parser)
    _add_bounds(parser)
    parser.add_argument(
        "--grace", type=_seconds, default=plain.grace_s, metavar="S", help="seconds to end in; 10"
    )
    parser.add_argument(
        "--trust-proxy",
        default="",
        metavar="ADDRESS",
        help="reverse proxy that says who calls; none",
    )
    parser.add_argument(
        "--log", choices=[*map(str, LogFormat)], default=str(plain.log), help="how it looks; text"
    )
    parser.add_argument(
        "--log-level", choices=LEVELS, default=plain.log_level, help="calls are info; warning"
    )


def _add_keeping(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--artifacts",
        metavar="URL",
        help="bucket for inputs and outputs, s3://BUCKET/PREFIX, DIR by default; its keys come "
        "from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    )
    parser.add_argument(
        "--quota",
        type=parse_bytes,
        default=_USUAL.quota_bytes,
        metavar="SIZE",
        help="files kept for one submitter, 64G by default; outputs may go to twice as much",
    )
    for kind, days in (("inputs", _USUAL.keep_inputs_days), ("outputs", _USUAL.keep_outputs_days)):
        parser.add_argument(
            f"--keep-{kind}",
            type=_days,
            default=days,
            metavar="DAYS",
            help=f"how long {kind} are kept after their job has ended, {days:g} by default",
        )
    parser.add_argument(
        "--keep-jobs",
        type=_days_of_jobs,
        default=_USUAL.keep_jobs_days,
        metavar="DAYS",
        help=f"how long jobs are known after they have ended, {_USUAL.keep_jobs_days:g} by "
        "default; the ledger stays",
    )


def _add_bounds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--registration",
        choices=[*map(str, Registration)],
        default=str(_USUAL.registration),
        help="who may become an agent: everybody, who has an invitation, or nobody; open",
    )
    for name, least, meaning in (
        ("agents-per-address", _count, "agents that one address may register a day"),
        ("calls-per-s", _positive, "calls a second that one key may make"),
        ("keyless-calls-per-s", _positive, "calls a second that one address may make without"),
        ("calls-at-once", _count, "calls of one key that may be in progress"),
    ):
        usual = getattr(_USUAL, name.replace("-", "_"))
        parser.add_argument(
            f"--{name}", type=least, default=usual, metavar="N", help=f"{meaning}; {usual:g}"
        )


def settings_of(args: argparse.Namespace) -> Settings:
    """Return what the marketplace is to be."""
    return Settings(
        args.data.absolute(),
        config.database_url(args.db),
        artifacts_url=args.artifacts,
        quota_bytes=args.quota,
        keep_inputs_days=args.keep_inputs,
        keep_outputs_days=args.keep_outputs,
        keep_jobs_days=args.keep_jobs,
        registration=Registration(args.registration),
        agents_per_address=args.agents_per_address,
        calls_per_s=args.calls_per_s,
        keyless_calls_per_s=args.keyless_calls_per_s,
        calls_at_once=args.calls_at_once,
        hosting=Hosting(
            host=args.host,
            port=args.port,
            grace_s=args.grace,
            trusted_proxies=args.trust_proxy,
            workers=args.workers,
            log=LogFormat(args.log),
            log_level=args.log_level,
        ),
    )


_USUAL = Settings(Path())


def _days(text: str) -> float:
    if not text.replace(".", "", 1).isdecimal() or float(text) > MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text} is no number of days; give 0 to {MOST_DAYS}")
    return float(text)


def _days_of_jobs(text: str) -> float:
    days = _days(text)
    if days < 1:
        raise argparse.ArgumentTypeError(
            f"{text} is too few: who submitted a job asks how it ended; give 1 to {MOST_DAYS}"
        )
    return days


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is no port; give 0 to {LAST_PORT}")
    return int(text)


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text} is no number of them; give 1 to {MOST_WORKERS}")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 31:
        raise argparse.ArgumentTypeError(f"{text} is no number of them; give 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    seconds = _positive(text)
    if seconds > 3600:
        raise argparse.ArgumentTypeError(f"{text} is more than an hour; give 3600 at the most")
    return seconds


def _positive(text: str) -> float:
    with contextlib.suppress(ValueError):
        number = float(text)
        if 0 < number <= MOST:
            return number
    raise argparse.ArgumentTypeError(f"{text} is no number above 0; give one, as 2.5")
