"""From the words of a command line to the command that does them."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from node3nb import __version__
from node3nb.errors import Node3Error

#: Exit status of a command ended by Ctrl-C (128 + SIGINT).
INTERRUPTED = 130
#: The commands, by module of this package.
COMMANDS = ("run", "provide", "controls", "submit", "marketplace", "doctor", "demo")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit status.

    Parameters
    ----------
    argv
        The words after `node3nb`; those of this process when None.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    args = _parser().parse_args(argv)
    try:
        return int(args.do(args))
    except Node3Error as error:
        sys.stderr.write(f"node3nb: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 128 + signal.SIGPIPE


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Let a polite request to end take the way of Ctrl-C, which cleans up."""
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="node3nb",
        description="Run other people's compute jobs, and send your own.",
        epilog="Keys come from NODE3_API_KEY, NODE3_CONSUMER_KEY and NODE3_ADMIN_KEY or a file.",
    )
    parser.add_argument("--version", action="version", version=f"node3nb {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"node3nb.cli.{name}").add(commands)
    return parser
