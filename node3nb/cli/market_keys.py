"""`node3nb marketplace keys`: who may use a marketplace; for its administrator.

No key is ever an argument: a process's arguments are for everybody on the machine to see.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from node3nb import config, inert_text
from node3nb.cli.connection import add_marketplace, key
from node3nb.cli.options import add_json, print_json
from node3nb.errors import ConfigError
from node3nb.marketplace.admin_client import AdminClient
from node3nb.marketplace.keys import Role
from node3nb.marketplace.pages import KeyAsked, KeyView, NewKey
from node3nb.marketplace.protocol import first_complaint
from node3nb.sizes import parse_seconds

#: Kinds of keys that are made; agents get theirs by registering.
MADE = (Role.CONSUMER, Role.ADMIN, Role.INVITATION, Role.MONITOR)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands about keys."""
    below = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = _command(below, "list", "list the keys there are; none can be had from it")
    listing.add_argument("--role", type=Role, choices=list(Role), help="only those of a kind")
    listing.set_defaults(do=list_keys)
    making = _command(below, "create", "make a key")
    making.add_argument("--role", type=Role, choices=MADE, default=Role.CONSUMER, help="its kind")
    making.add_argument("--label", default="", help="whose it is, for people")
    making.add_argument("--owner", metavar="CONSUMER", help="another key for one there is")
    making.add_argument("--uses", type=int, metavar="N", help="agents that an invitation is for")
    making.add_argument("--lives", metavar="TIME", help="how long it is good for, such as 30d")
    making.set_defaults(do=create)
    rotating = _command(below, "rotate", "make a key in the place of another, which is revoked")
    revoking = _command(below, "revoke", "make a key invalid at once")
    for command, does in ((rotating, rotate), (revoking, revoke)):
        command.add_argument("key_id", metavar="NAME", help="its name, as `list` shows it")
        command.set_defaults(do=does)
    for command in (making, rotating):
        command.add_argument("--into", type=Path, metavar="FILE", help="file of keys to put it in")


def _command(
    below: argparse._SubParsersAction[argparse.ArgumentParser], name: str, purpose: str
) -> argparse.ArgumentParser:
    command = below.add_parser(name, help=purpose, description=purpose)
    add_marketplace(command)
    add_json(command)
    return command


def list_keys(args: argparse.Namespace) -> int:
    """Show every key's name, kind, owner and state."""
    found = list(_client(args).keys(args.role))
    if args.json:
        print_json({"keys": [each.model_dump(mode="json") for each in found]})
    else:
        sys.stdout.writelines(_lines(found))
    return 0


def create(args: argparse.Namespace) -> int:
    """Make a key and show it, or put it into a file."""
    told = {"role": args.role, "label": args.label, "owner": args.owner, "uses": args.uses}
    lives_s = None if args.lives is None else parse_seconds(args.lives)
    try:
        asked = KeyAsked(**told, lives_s=lives_s)
    except ValidationError as error:
        raise ConfigError(first_complaint(error)) from None
    return _hand_over(args, _client(args).make_key(asked))


def rotate(args: argparse.Namespace) -> int:
    """Put a new key in the place of another."""
    return _hand_over(args, _client(args).rotate_key(args.key_id))


def revoke(args: argparse.Namespace) -> int:
    """Make a key invalid."""
    revoked = _client(args).revoke_key(args.key_id)
    if args.json:
        print_json(revoked.model_dump(mode="json"))
    else:
        sys.stdout.write(f"The key {revoked.key_id} is revoked.\n")
    return 0


def _client(args: argparse.Namespace) -> AdminClient:
    admin = key(args, "admin")
    if not admin:
        raise ConfigError(
            "An administrator's key is needed; set NODE3_ADMIN_KEY, or name a file with --keys "
            "FILE: a marketplace has written keys.json into its directory."
        )
    url = config.marketplace_url(args.marketplace)
    return AdminClient(url, admin, allow_insecure_http=args.allow_insecure_http)


def _hand_over(args: argparse.Namespace, made: NewKey) -> int:
    """Show a key, or have it in a file and show the rest of it."""
    if args.into is not None:
        config.put_key(args.into, made.role, made.api_key)
    told = made.model_dump(mode="json", exclude={"api_key"} if args.into is not None else set())
    if args.json:
        print_json(told)
    elif args.into is not None:
        sys.stdout.write(f"The key {made.key_id} is in {args.into}.\n")
    else:
        sys.stdout.write(f"{made.api_key}\n")
        sys.stderr.write(f"This is the key {made.key_id}; it is not shown again.\n")
    return 0


def _lines(found: Iterable[KeyView]) -> Iterable[str]:
    for each in found:
        ended = "revoked" if each.revoked_at else f"until {each.expires_at or 'revoked'}"
        uses = "" if each.uses_left is None else f", {each.uses_left} left"
        said = f"{each.key_id}  {each.role:10}  {each.owner}  {ended}{uses}  {each.label}"
        yield inert_text.line(said) + "\n"
