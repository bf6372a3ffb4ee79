"""`node3nb jobs`: what was submitted with a key, from any machine and on any day."""

from __future__ import annotations

import argparse
import codecs
import sys
from pathlib import Path

from node3nb import inert_text
from node3nb.cli import connection, options, submit
from node3nb.errors import ConfigError
from node3nb.job_checks import is_job_id, printable
from node3nb.marketplace.client import consumer
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.wire.protocol import JobSummary

#: Jobs that are listed unless more are asked for, and most of them.
LISTED, MOST = 100, 1000
#: Widths of the columns of their list.
WIDTHS = (32, 11, 19, 7, 0)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the commands about jobs."""
    below = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = _command(below, "list", "list the jobs submitted with your key, newest first")
    listing.add_argument(
        "--limit", type=_limit, default=LISTED, metavar="N", help="the newest; 100"
    )
    listing.set_defaults(do=list_jobs)
    waiting = _command(below, "wait", "wait for a job's end and answer as `submit --wait` does")
    waiting.add_argument("--output", type=Path, metavar="DIR", help="fetch the outputs")
    waiting.set_defaults(do=wait)
    logging = _command(below, "logs", "print what a job prints, as it comes, until it has ended")
    logging.set_defaults(do=logs)
    cancelling = _command(below, "cancel", "call a job off")
    cancelling.set_defaults(do=cancel)
    for command in (listing, waiting, cancelling):
        options.add_json(command)
    for command in (waiting, logging, cancelling):
        command.add_argument("job", metavar="JOB", help="its id, as `submit` and `list` print it")


def _command(
    below: argparse._SubParsersAction[argparse.ArgumentParser], name: str, purpose: str
) -> argparse.ArgumentParser:
    command = below.add_parser(name, help=purpose, description=purpose)
    connection.add_marketplace(command)
    return command


def list_jobs(args: argparse.Namespace) -> int:
    """Show the newest jobs, a line each."""
    found = connection.consumer_client(args).jobs(limit=str(args.limit))
    if args.json:
        shown = set(JobSummary.model_fields)
        options.print_json({"jobs": [each.model_dump(include=shown) for each in found]})
    else:
        sys.stdout.write(options.columns(WIDTHS, ("JOB", "STATUS", "SUBMITTED", "TRIES", "WHY")))
        sys.stdout.writelines(map(_row, found))
    return 0


def wait(args: argparse.Namespace) -> int:
    """Wait for a job's end, tell how it ended, and return its exit status."""
    client, job_id = _named(args)
    if args.output:
        submit.check_empty(args.output)
    try:
        view = consumer.wait(client, job_id)
    except KeyboardInterrupt:
        _goes_on(job_id)
        raise
    return submit.finish(args, client, view)


def logs(args: argparse.Namespace) -> int:
    """Print a job's log until it is over."""
    client, job_id = _named(args)
    decoder, attempt = codecs.getincrementaldecoder("utf-8")("replace"), None
    try:
        for piece in consumer.follow(client, job_id):
            if attempt not in (None, piece.place.attempt):
                decoder.reset()
                sys.stderr.write(f"node3nb: job {job_id} has begun anew.\n")
            attempt = piece.place.attempt
            options.write_strange(sys.stdout, decoder.decode(piece.content))
            sys.stdout.flush()
    except KeyboardInterrupt:
        _goes_on(job_id)
        raise
    view = consumer.wait(client, job_id)
    if attempt is None:  # it ended before its provider had sent anything of its log
        result = consumer.result_of(view)
        options.write_strange(sys.stdout, result.stdout + result.stderr)
    status = inert_text.line(view.status)
    sys.stderr.write(f"node3nb: job {job_id} {status}; `node3nb jobs wait` has its result.\n")
    return 0


def cancel(args: argparse.Namespace) -> int:
    """Call a job off, and show how it stands then."""
    client, job_id = _named(args)
    client.cancel(job_id)
    status = client.job(job_id).status
    if args.json:
        options.print_json({"job_id": job_id, "status": status})
    else:
        sys.stdout.write(f"{job_id} {inert_text.line(status)}\n")
    return 0


def _named(args: argparse.Namespace) -> tuple[MarketplaceClient, str]:
    """Return the marketplace and the job that are meant.

    Raises
    ------
    ConfigError
        It is no job's id.
    """
    if not is_job_id(args.job):
        told = (
            f"{printable(args.job)} is no id of a job; `node3nb jobs list` shows those there are."
        )
        raise ConfigError(told)
    return connection.consumer_client(args), args.job


def _goes_on(job_id: str) -> None:
    sys.stderr.write(f"node3nb: job {job_id} goes on; only the waiting has ended.\n")


def _row(job: JobSummary) -> str:
    tries = f"{job.attempts} of {job.max_attempts}"
    submitted = (job.submitted_at or "")[:19].replace("T", " ")
    cells = (job.job_id, job.status, submitted, tries, job.error_message or "")
    return options.columns(WIDTHS, cells)


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise argparse.ArgumentTypeError(f"{text} is no number of jobs; give 1 to {MOST}")
    return int(text)
