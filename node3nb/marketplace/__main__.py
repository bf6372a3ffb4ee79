"""`python -m node3nb.marketplace`: a marketplace without the rest of the command line."""

from __future__ import annotations

import argparse

from node3nb.marketplace import process
from node3nb.marketplace.server import serve, serve_as_worker


def main() -> None:
    """Run a marketplace as the arguments say."""
    parser = argparse.ArgumentParser(prog="node3nb.marketplace", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--data", default="node3nb-marketplace")
    parser.add_argument("--db", default=None)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input does")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--worker", type=int, metavar="DESCRIPTOR", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker is not None:
        serve_as_worker(args.worker)
        return
    if args.with_parent:
        process.end_with_stdin()
    serve(args.host, args.port, args.data, args.db, args.workers)


if __name__ == "__main__":
    main()
