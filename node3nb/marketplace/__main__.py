"""`python -m node3nb.marketplace`: a marketplace without the rest of the command line."""

from __future__ import annotations

import argparse

from node3nb.marketplace import options, process
from node3nb.marketplace.server import serve, serve_as_worker


def main() -> None:
    """Run a marketplace as the arguments say."""
    parser = argparse.ArgumentParser(prog="node3nb.marketplace", description=__doc__)
    options.add_to(parser)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input does")
    parser.add_argument("--worker", type=int, metavar="DESCRIPTOR", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker is not None:
        serve_as_worker(args.worker)
        return
    if args.with_parent:
        process.end_with_stdin()
    serve(options.settings_of(args))


if __name__ == "__main__":
    main()
