"""`node3nb marketplace keys`: who may use a marketplace; for its administrator.

No key is ever an argument: a process's arguments are for everybody on the machine to see.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from node3nb import config
from node3nb.cli.connection import add_marketplace, key
from node3nb.cli.options import add_json, columns, print_json
from node3nb.errors import ConfigError
from node3nb.marketplace.client.admin_client import AdminClient
from node3nb.marketplace.keys import Role, name_of
from node3nb.marketplace.pages import KeyAsked, KeyView, NewKey
from node3nb.marketplace.wire.protocol import first_complaint
from node3nb.sizes import parse_seconds

#: Kinds of keys that are made; agents get theirs by registering.
MADE = tuple(map(str, (Role.CONSUMER, Role.ADMIN, Role.INVITATION, Role.MONITOR)))

#: Widths of the columns of their list.
WIDTHS = (16, 10, 32, 31, 0)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands about keys."""
    below = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = _command(below, "list", "list the keys there are; none can be had from it")
    listing.add_argument("--role", choices=[*map(str, Role)], help="only those of a kind")
    listing.set_defaults(do=list_keys)
    making = _command(below, "create", "make a key")
    making.add_argument("--role", choices=MADE, default=MADE[0], help="its kind; consumer")
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
    told = {"role": Role(args.role), "label": args.label, "owner": args.owner, "uses": args.uses}
    lives_s = None if args.lives is None else parse_seconds(args.lives)
    try:
        asked = KeyAsked(**told, lives_s=lives_s)
    except ValidationError as error:
        raise ConfigError(first_complaint(error)) from None
    client = _client(args)
    held = name_of(_kept(args, args.role))
    if held:
        raise ConfigError(
            f"into: {args.into} has a key of this kind already, {held}; name another file, or put "
            f"a new key in its place: node3nb marketplace keys rotate {held} --into {args.into}"
        )
    return _hand_over(args, client.make_key(asked))


def rotate(args: argparse.Namespace) -> int:
    """Put a new key in the place of another."""
    client = _client(args)
    if args.into is not None:
        config.check_key_file(args.into)
    return _hand_over(args, client.rotate_key(args.key_id))


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
        lacking = "" if args.keys is None else f" and {args.keys} has none"
        raise ConfigError(
            f"An administrator's key is needed{lacking}; name the file keys.json in the "
            "marketplace's directory with --keys FILE, or set NODE3_ADMIN_KEY."
        )
    url = config.marketplace_url(args.marketplace)
    return AdminClient(url, admin, allow_insecure_http=args.allow_insecure_http)


def _kept(args: argparse.Namespace, kind: str) -> str:
    """Return the key of a kind in the file that is to have another; empty for none."""
    return "" if args.into is None else str(config.check_key_file(args.into).get(kind, ""))


def _hand_over(args: argparse.Namespace, made: NewKey) -> int:
    """Show a key, or have it in a file and show the rest of it."""
    why_shown = _put(args, made)
    told = made.model_dump(mode="json", exclude=set() if why_shown else {"api_key"})
    if args.json:
        print_json(told)
    elif why_shown:
        sys.stdout.write(f"{made.api_key}\n")
    else:
        sys.stdout.write(f"The key {made.key_id} is in {args.into}.\n")
    if why_shown:
        sys.stderr.write(f"This is the key {made.key_id}; {why_shown}.\n")
    return 0


def _put(args: argparse.Namespace, made: NewKey) -> str:
    """Put a key into the file that is to have it; return why it has to be shown, if it has.

    A key that has been made is in no other place, and the one it replaces is revoked already:
    whatever happens to the file, it must not be lost.
    """
    if args.into is None:
        return "it is not shown again"
    try:
        held = name_of(_kept(args, made.role))
        if held not in ("", vars(args).get("key_id")):
            return f"it is not put in the place of another, {held}, in {args.into}"
        config.put_key(args.into, made.role, made.api_key)
    except (ConfigError, OSError):
        return f"it can't be written to {args.into}, so keep it elsewhere"
    return ""


def _lines(found: Iterable[KeyView]) -> Iterable[str]:
    yield columns(WIDTHS, ("NAME", "KIND", "OWNER", "STATE", "LABEL"))
    for each in found:
        ends = f"until {each.expires_at[:16].replace('T', ' ')} UTC" if each.expires_at else "valid"
        uses = "" if each.uses_left is None else f", {each.uses_left} left"
        state = "revoked" if each.revoked_at else ends + uses
        yield columns(WIDTHS, (each.key_id, each.role, each.owner, state, each.label))
