"""Every subcommand of `%node3`: its words, its options, its help."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from node3nb.jobs import Isolation, Network
from node3nb.notebook import start_options
from node3nb.notebook.parsing import (
    Misused,
    Parser,
    identifier,
    unexpected,
    valid,
    variable,
    variables,
)
from node3nb.sizes import parse_bytes, parse_seconds


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand."""

    #: What it is called.
    name: str
    #: One sentence: what it does.
    does: str
    #: Whether the cell's body belongs to it.
    takes_cell: bool
    #: Adds its options.
    declare: Callable[[Parser], None]

    @property
    def prog(self) -> str:
        """How it begins."""
        return f"{'%%' if self.takes_cell else '%'}node3 {self.name}"


def find(name: str) -> Command:
    """Return the subcommand of a name.

    Raises
    ------
    Misused
        There is none; the message names the nearest.
    """
    if name not in COMMANDS:
        raise Misused(f"{unexpected('subcommand', name, COMMANDS)}\n{usage()}")
    return COMMANDS[name]


@functools.cache
def parser(name: str) -> Parser:
    """Return the parser of a subcommand."""
    command = COMMANDS[name]
    made = Parser(command.prog, command.does)
    command.declare(made)
    made.add_argument(
        "-o", dest="name", metavar="NAME", type=identifier, help="keep the answer under this name"
    )
    return made


def usage() -> str:
    """Return the line that names every subcommand."""
    return f"usage: %node3 {{{','.join(COMMANDS)}}} ..."


def overview() -> str:
    """Return what there is, one subcommand a line."""
    width = max(len(command.prog) for command in COMMANDS.values())
    told = [f"  {command.prog:<{width}}  {command.does}" for command in COMMANDS.values()]
    ending = "Each of them takes --help."
    return "\n".join([usage(), "", *told, "", ending])


def _start(parser: Parser) -> None:
    _add_marketplace(parser, "a file with the key of this agent; without one it registers itself")
    start_options.add(parser)


def _run(parser: Parser) -> None:
    _add_limits(parser)
    _add_luggage(parser)
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where the files it leaves are copied to"
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="let DIR hold something, and files of the same names be replaced",
    )
    parser.add_argument(
        "--background", action="store_true", help="return its handle at once, and run on"
    )


def _submit(parser: Parser) -> None:
    _add_marketplace(parser, "a file with your key, as the marketplace writes it")
    _add_limits(parser)
    _add_luggage(parser)
    parser.add_argument("--reward", type=float, default=0.0, metavar="X", help="what it pays")
    parser.add_argument(
        "--wait", action="store_true", help="wait for the end and return the result"
    )


def _job(parser: Parser) -> None:
    parser.add_argument("job", metavar="JOB", help="id of a job, or how it begins")


def _logs(parser: Parser) -> None:
    _job(parser)
    parser.add_argument(
        "--follow", action="store_true", help="print it as it comes, until the job has ended"
    )


def _outputs(parser: Parser) -> None:
    _job(parser)
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="fetch a submitted job's files into a new DIR"
    )


def _list(parser: Parser) -> None:
    parser.add_argument("--pandas", action="store_true", help="as a pandas DataFrame")


def _market(parser: Parser) -> None:
    actions = {
        "start": "start one here",
        "stop": "end it",
        "jobs": "list the jobs you have submitted, newest first",
        "cancel": "call one of them off",
    }
    told = "; ".join(f"{name}: {does}" for name, does in actions.items())
    parser.add_argument("action", choices=tuple(actions), help=told)
    parser.add_argument("job", nargs="?", metavar="JOB", help="to cancel: its id, or how it begins")
    _add_marketplace(parser, "a file with your key, as the marketplace writes it")
    parser.add_argument("--pandas", action="store_true", help="jobs as a pandas DataFrame")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where it keeps everything")
    parser.add_argument(
        "--port",
        type=int,
        default=0,
        metavar="N",
        help="port to listen on; a free one unless given",
    )


def _add_marketplace(parser: Parser, keys_help: str) -> None:
    parser.add_argument(
        "--marketplace",
        metavar="URL",
        help="the local one of `market start`, or NODE3_MARKETPLACE, unless given",
    )
    parser.add_argument("--keys", type=Path, metavar="FILE", help=keys_help)
    parser.add_argument(
        "--allow-insecure-http",
        action="store_true",
        help="speak unencrypted to a marketplace on another machine",
    )


def _add_luggage(parser: Parser) -> None:
    parser.add_argument(
        "--image", default="", metavar="IMAGE", help="run in a container of this image"
    )
    parser.add_argument("--input", type=Path, metavar="PATH", help="what the job gets a copy of")
    parser.add_argument(
        "--in",
        dest="into",
        type=variables,
        default=(),
        metavar="NAMES",
        help="variables of the notebook that the cell gets, like a,b",
    )
    parser.add_argument(
        "--out",
        type=variables,
        default=(),
        metavar="NAMES",
        help="variables of the cell that the notebook gets when it has completed",
    )


def _add_limits(parser: Parser) -> None:
    size, seconds = valid(parse_bytes), valid(parse_seconds)
    parser.add_argument("--memory", type=size, metavar="SIZE", help="memory it may use, like 1G")
    parser.add_argument("--timeout", type=seconds, metavar="TIME", help="time it may take, like 90")
    parser.add_argument("--cpus", type=float, metavar="N", help="cores it may use")
    parser.add_argument("--disk", type=size, metavar="SIZE", help="disk it may use, like 1G")
    parser.add_argument(
        "--env",
        type=variable,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable of its environment; may be repeated",
    )
    networks = [str(each) for each in Network]
    parser.add_argument("--network", choices=networks, help="network it sees; none unless given")
    levels = [str(each) for each in Isolation]
    parser.add_argument("--isolation", choices=levels, help="weakest isolation that will do")


def _nothing(parser: Parser) -> None:
    del parser


def _commands(*commands: Command) -> dict[str, Command]:
    return {command.name: command for command in commands}


#: Every subcommand by its name, in the order they are shown.
COMMANDS = _commands(
    Command("start", "Start earning: run the jobs of a marketplace here.", False, _start),
    Command("status", "Show what the provider is doing.", False, _nothing),
    Command("dashboard", "Show the provider live, with its controls and limits.", False, _nothing),
    Command("jobs", "List its jobs, newest first.", False, _list),
    Command("why", "Say why the provider does what it does.", False, _nothing),
    Command("pause", "Take no more jobs; those that run go on.", False, _nothing),
    Command("resume", "Take jobs again.", False, _nothing),
    Command("drain", "Take no more jobs; stop when those that run are done.", False, _nothing),
    Command("stop", "Stop now; what runs is given back.", False, _nothing),
    Command("run", "Run the cell here, as a job in its own sandbox.", True, _run),
    Command("submit", "Send the cell to a marketplace as a job.", True, _submit),
    Command("history", "List the cells run and submitted as jobs, newest first.", False, _list),
    Command("job", "Return a job: its state, its result, its controls.", False, _job),
    Command("logs", "Show what a job has printed so far.", False, _logs),
    Command("outputs", "List the files a job has left.", False, _outputs),
    Command(
        "market",
        "Start or stop a marketplace here; list or cancel what you sent to one.",
        False,
        _market,
    ),
    Command(
        "doctor", "Try what this machine can do for jobs, and say what is missing.", False, _nothing
    ),
    Command("config", "Show what is chosen, and how to choose otherwise.", False, _nothing),
)
