"""`node3nb status | pause | resume | drain | stop`: a running provider, from a terminal."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from node3nb import config, control, inert_text
from node3nb.cli import options
from node3nb.errors import ConfigError, NotRunning


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of one of the controls."""
    parser.add_argument("--pid", type=int, help="which provider, when there are several")
    options.add_json(parser)
    parser.set_defaults(do=_ask, asked=parser.prog.split()[-1])


def _ask(args: argparse.Namespace) -> int:
    snapshot = control.ask(_socket(args.pid), args.asked)
    if args.json:
        options.print_json(snapshot)
    else:
        sys.stdout.write(_shown(snapshot))
    return 0


def _socket(pid: int | None) -> Path:
    found = control.sockets(config.control_dir())
    if pid is not None:
        found = {each: path for each, path in found.items() if each == pid}
    if not found:
        raise NotRunning
    if len(found) > 1:
        pids = ", ".join(map(str, sorted(found)))
        raise ConfigError(f"Several providers run ({pids}); say which with --pid.")
    return next(iter(found.values()))


def _shown(snapshot: dict[str, Any]) -> str:
    running = [
        job for job in snapshot["jobs"] if job["state"] not in {"completed", "failed", "cancelled"}
    ]
    lines = [
        f"{snapshot['state']}: {inert_text.line(snapshot['reason'], 600)}",
        f"marketplace  {inert_text.line(snapshot['marketplace_url'])}",
        f"slots        {len(running)} of {snapshot['slots']} in use",
        f"isolation    {snapshot['isolation']}",
        f"jobs         {snapshot['completed']} completed, {snapshot['failed']} not",
        f"earned       {snapshot['earned']:g}",
        f"undelivered  {snapshot['undelivered']}",
        *map(_job_line, running),
    ]
    return "\n".join(lines) + "\n"


def _job_line(job: dict[str, Any]) -> str:
    return f"  {job['job_id'][:12]}  {job['state']:<10} {inert_text.line(job['command'], 50)}"
