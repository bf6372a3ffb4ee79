"""Options that say which marketplace is meant, and as whom."""

from __future__ import annotations

import argparse
from pathlib import Path

from node3nb import config
from node3nb.errors import ConfigError
from node3nb.marketplace.client.client import MarketplaceClient


def add_marketplace(parser: argparse.ArgumentParser) -> None:
    """Add which marketplace is meant, and where its keys are."""
    parser.add_argument("--marketplace", metavar="URL", help="NODE3_MARKETPLACE, or the local one")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="file with the keys, mode 0600")
    parser.add_argument(
        "--allow-insecure-http", action="store_true", help="speak http to another machine"
    )


def key(args: argparse.Namespace, kind: str) -> str:
    """Return a key for the marketplace meant; empty for none."""
    return config.key(kind, config.marketplace_url(args.marketplace), args.keys)


def consumer_client(args: argparse.Namespace) -> MarketplaceClient:
    """Return a client that submits jobs.

    Raises
    ------
    ConfigError
        There is no key to submit with.
    """
    consumer = key(args, "consumer") or key(args, "admin")
    if not consumer:
        raise ConfigError(
            "A consumer's key is needed; set NODE3_CONSUMER_KEY, or name a file with --keys FILE: "
            "a marketplace of your own has written keys.json into its directory."
        )
    return MarketplaceClient(
        config.marketplace_url(args.marketplace),
        consumer,
        allow_insecure_http=args.allow_insecure_http,
    )
