"""From the words of a command line to the command that does them."""

from __future__ import annotations

import argparse
import difflib
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from node3nb import __version__
from node3nb.errors import ConfigError, Node3Error
from node3nb.job_checks import printable

#: Exit status of a command ended by Ctrl-C (128 + SIGINT), and of one nobody reads (SIGPIPE).
INTERRUPTED, PIPE_BROKEN = 130, 141
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
    "jobs": ("jobs", "list, follow, fetch and cancel the jobs you have submitted"),
    "marketplace": ("marketplace", "host a marketplace"),
    "doctor": ("doctor", "show what this machine can do for jobs"),
    "demo": ("demo", "run every sample job through a marketplace on this machine"),
}


class Parser(argparse.ArgumentParser):
    """A parser that refuses in one line, with the exit status of what is our fault or yours."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to read on."""
        self.exit(Node3Error.exit_code, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit status.

    Parameters
    ----------
    argv
        The words after `node3nb`; those of this process when None.
    """
    _prepare()
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = words[0] if words else ""
    try:
        args = _parser(_known(chosen)).parse_args(words)
        return int(args.do(args))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_BROKEN
    except (Node3Error, OSError) as error:
        sys.stderr.write(f"node3nb: {error}\n")
        return error.exit_code if isinstance(error, Node3Error) else Node3Error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


def _prepare() -> None:
    """Have polite requests to end take the way of Ctrl-C, and any character be printable."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _known(word: str) -> str:
    """Return the first word if it is a command or an option.

    Raises
    ------
    ConfigError
        It is neither; the message names what comes close.
    """
    if not word or word.startswith("-") or word in COMMANDS:
        return word
    close = difflib.get_close_matches(word, COMMANDS, n=1)
    hint = f"did you mean `{close[0]}`?" if close else "see node3nb --help"
    raise ConfigError(f"there is no command {printable(word)}; {hint}")


def _parser(chosen: str) -> argparse.ArgumentParser:
    """Return a parser that knows every command by name and the chosen one by its options.

    Only the chosen one's module is loaded: `node3nb run` starts in a tenth of the time so.
    """
    parser = Parser(
        prog="node3nb",
        description="Run other people's compute jobs, and send your own.",
        epilog="Keys come from a file or from NODE3_API_KEY, NODE3_CONSUMER_KEY, NODE3_ADMIN_KEY "
        "and NODE3_INVITATION.",
    )
    parser.add_argument("--version", action="version", version=f"node3nb {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (module, purpose) in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        if name == chosen:
            importlib.import_module(f"node3nb.cli.{module}").configure(command)
    return parser
