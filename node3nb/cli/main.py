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
#: Each command: the module of this package that does it, and what it is for.
COMMANDS = {
    "run": ("run", "run one command as a sandboxed job, here and now"),
    "provide": ("provide", "run jobs of a marketplace until told to stop"),
    "status": ("controls", "show what the running provider is doing"),
    "pause": ("controls", "have the running provider take no more jobs for now"),
    "resume": ("controls", "have it take jobs again"),
    "drain": ("controls", "have it finish its jobs, then stop"),
    "stop": ("controls", "have it end its jobs, give them back, and stop"),
    "submit": ("submit", "send a job to a marketplace"),
    "marketplace": ("marketplace", "host a marketplace"),
    "doctor": ("doctor", "show what this machine can do for jobs"),
    "demo": ("demo", "run every sample job through a marketplace on this machine"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit status.

    Parameters
    ----------
    argv
        The words after `node3nb`; those of this process when None.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    words = list(sys.argv[1:] if argv is None else argv)
    args = _parser(words[0] if words else "").parse_args(words)
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


def _parser(chosen: str) -> argparse.ArgumentParser:
    """Return a parser that knows every command by name and the chosen one by its options.

    Only the chosen one's module is loaded: `node3nb run` starts in a tenth of the time so.
    """
    parser = argparse.ArgumentParser(
        prog="node3nb",
        description="Run other people's compute jobs, and send your own.",
        epilog="Keys come from NODE3_API_KEY, NODE3_CONSUMER_KEY and NODE3_ADMIN_KEY or a file.",
    )
    parser.add_argument("--version", action="version", version=f"node3nb {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (module, purpose) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        if name == chosen:
            importlib.import_module(f"node3nb.cli.{module}").configure(command)
    return parser
