"""`node3nb doctor`: what this machine can do, and what is missing."""

from __future__ import annotations

import argparse
import sys

from node3nb.cli import options
from node3nb.examination import examine, told


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    options.add_isolation(parser)
    options.add_json(parser)
    parser.set_defaults(do=doctor)


def doctor(args: argparse.Namespace) -> int:
    """Look, and tell; 0 when some executor can run jobs here."""
    found = examine(options.isolation(args))
    if args.json:
        options.print_json(found)
    else:
        sys.stdout.write(told(found) + "\n")
    return 0 if found["executor"] else 1
