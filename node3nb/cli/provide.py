"""`node3nb provide`: a provider without a notebook."""

from __future__ import annotations

import argparse
import sys

from node3nb import inert_text
from node3nb.agent.settings import Settings
from node3nb.cli import connection, containers, options
from node3nb.errors import Node3Error
from node3nb.provider import Provider
from node3nb.sizes import parse_bytes, parse_seconds

#: Seconds between two looks at what there is to tell.
LOOK_S = 0.5


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    connection.add_marketplace(parser)
    parser.add_argument("--slots", type=int, metavar="N", help="jobs at once; half the cores")
    parser.add_argument("--once", type=int, metavar="N", help="stop after this many jobs")
    parser.add_argument("--wallet", default="", metavar="ADDRESS", help="where rewards go")
    parser.add_argument(
        "--allow-weak-isolation", action="store_true", help="run strangers' jobs at level limits"
    )
    parser.add_argument(
        "--allow-host-network", action="store_true", help="give jobs the network they ask for"
    )
    options.add_isolation(parser)
    parser.add_argument(
        "--preload", action="append", default=[], metavar="MODULE", help="import it ahead, as numpy"
    )
    parser.add_argument("--no-native", action="store_true", help="run jobs in containers only")
    parser.add_argument(
        "--min-free", default="1G", metavar="SIZE", help="disk that stays free of jobs; 1G"
    )
    parser.add_argument(
        "--keep-failed", default="0", metavar="TIME", help="keep a failed job's files so long; 0"
    )
    containers.add_policy(parser)
    options.add_json(parser)
    parser.set_defaults(do=provide)


def provide(args: argparse.Namespace) -> int:
    """Serve a marketplace until a signal, a control or the last job ends it."""
    provider = Provider(
        args.marketplace,
        connection.key(args, "agent"),
        use_native_execution=not args.no_native,
        settings=Settings(
            max_concurrent_jobs=args.slots,
            max_jobs=args.once,
            wallet_address=args.wallet,
            invitation=connection.key(args, "invitation"),
            allow_insecure_http=args.allow_insecure_http,
            allow_weak_isolation=args.allow_weak_isolation,
            allow_host_network=args.allow_host_network,
            isolation=options.isolation(args),
            preload=tuple(args.preload),
            min_free_bytes=parse_bytes(args.min_free),
            keep_s=parse_seconds(args.keep_failed),
            containers=containers.policy(args),
        ),
    ).start()
    try:
        _tell_until_the_end(provider)
    except KeyboardInterrupt:
        provider.stop()
    if args.json:
        options.print_json(provider.snapshot().to_dict())
    if provider.error is not None:
        raise Node3Error(provider.snapshot().reason) from provider.error
    return 0


def _tell_until_the_end(provider: Provider) -> None:
    told = -1
    while True:
        running = provider.running
        for event in provider.events():
            if event.number > told:
                sys.stderr.write(f"{event.at} {inert_text.line(event.text, 1000)}\n")
                told = event.number
        if not running:
            return
        provider.join(LOOK_S)
