"""What a line may choose of the provider it starts."""

from __future__ import annotations

from node3nb.agent.settings import MIN_FREE_BYTES
from node3nb.jobs import Isolation
from node3nb.notebook.parsing import Parser, valid, words
from node3nb.sizes import parse_bytes, parse_seconds


def add(parser: Parser) -> None:
    """Add the options of `start` that are the provider's own."""
    parser.add_argument(
        "--slots", type=int, metavar="N", help="jobs run at once; half the cores unless given"
    )
    parser.add_argument("--wallet", default="", metavar="ADDRESS", help="where rewards go")
    parser.add_argument(
        "--native-only",
        action="store_true",
        default=None,
        help="do not look for a container engine",
    )
    parser.add_argument(
        "--prefer-native",
        action="store_true",
        help="run jobs natively that need no more than a Python, also where there is an engine",
    )
    parser.add_argument(
        "--image", default="", metavar="IMAGE", help="container image of jobs that name none"
    )
    parser.add_argument(
        "--keep-alive",
        action="store_true",
        default=None,
        help="while jobs run, keep an idle server from ending this kernel",
    )
    levels = [str(each) for each in Isolation if each is not Isolation.CONTAINER]
    parser.add_argument(
        "--isolation",
        dest="level",
        choices=levels,
        help="native isolation level to stay at; the strongest there is unless given",
    )
    parser.add_argument(
        "--preload",
        type=words,
        default=(),
        metavar="MODULES",
        help="modules a waiting Python imports ahead, like numpy,pandas",
    )
    parser.add_argument(
        "--allow-weak-isolation",
        action="store_true",
        help="run strangers' jobs even at isolation level limits",
    )
    parser.add_argument(
        "--allow-host-network",
        action="store_true",
        help="give the host's network to the jobs that ask for it",
    )
    _add_disk(parser)


def _add_disk(parser: Parser) -> None:
    parser.add_argument(
        "--min-free",
        type=valid(parse_bytes),
        default=MIN_FREE_BYTES,
        metavar="SIZE",
        help="disk that has to be free before a job is taken; 1G unless given",
    )
    parser.add_argument(
        "--keep-failed",
        type=valid(parse_seconds),
        default=0.0,
        metavar="TIME",
        help="time that the workspace of a failed job is kept, like 1h; none unless given",
    )
