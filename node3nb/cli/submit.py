"""`node3nb submit`: send a job to a marketplace."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from node3nb import inert_text
from node3nb.cli import connection, options
from node3nb.errors import ConfigError
from node3nb.jobs import JobResult
from node3nb.marketplace.client import consumer
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.wire.protocol import JobView
from node3nb.sample_jobs import load_job


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("spec", type=Path, metavar="SPEC", help="a job's JSON, or a sample job")
    connection.add_marketplace(parser)
    parser.add_argument("--wait", action="store_true", help="wait for the result")
    parser.add_argument("--output", type=Path, metavar="DIR", help="fetch the outputs; waits")
    options.add_json(parser)
    parser.set_defaults(do=submit)


def submit(args: argparse.Namespace) -> int:
    """Submit the job, wait if asked to, and return its exit status."""
    client = connection.consumer_client(args)
    job, input_path = _job(args.spec)
    if args.output:
        check_empty(args.output)
    job_id, view = _ended(client, job, input_path, waits=bool(args.wait or args.output))
    if view is None:
        _tell(args, {"job_id": job_id}, job_id)
        return 0
    return finish(args, client, view)


def _ended(
    client: MarketplaceClient, job: dict[str, Any], input_path: Path | None, *, waits: bool
) -> tuple[str, JobView | None]:
    """Submit a job and wait for it if asked to; an interrupt tells what becomes of the job."""
    told = "if the marketplace has the job by now, it goes on"
    try:
        job_id = consumer.submit(client, job, input_path)
        told = f"job {job_id} goes on; only the waiting has ended"
        return job_id, consumer.wait(client, job_id) if waits else None
    except KeyboardInterrupt:
        sys.stderr.write(f"node3nb: {told}.\n")
        raise


def check_empty(directory: Path) -> None:
    """Refuse a directory for outputs before the job runs for it."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ConfigError(f"output: {directory} is no empty directory; name a new one.")


def finish(args: argparse.Namespace, client: MarketplaceClient, view: JobView) -> int:
    """Tell how a job ended, fetch its outputs if asked to, and return its exit status."""
    result = consumer.result_of(view)
    _tell(args, result.to_dict(), result.stdout.rstrip("\n"))
    _explain(args, result)
    if args.output:
        consumer.fetch_outputs(client, view.job_id, args.output)
    return options.exit_status(result)


def _tell(args: argparse.Namespace, content: dict[str, Any], text: str) -> None:
    if args.json:
        options.print_json(content)
    else:
        options.write_strange(sys.stdout, text + "\n")


def _explain(args: argparse.Namespace, result: JobResult) -> None:
    if not args.json:
        options.write_strange(sys.stderr, result.stderr)
        told = f"job {result.job_id} {result.state}. {inert_text.line(result.message, 1000)}"
        sys.stderr.write(f"node3nb: {told.rstrip()}\n")


def _job(path: Path) -> tuple[dict[str, Any], Path | None]:
    """Return a job to submit and its input: plain JSON, or a sample job with its scripts."""
    directory = path if path.is_dir() else path.parent
    try:
        content = json.loads((path / "job.json" if path.is_dir() else path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} can't be read as a job's JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds no job: it has to be one JSON object.")
    if "job" not in content:
        return content, None
    sample = load_job(directory)
    return sample.submission(), sample.input_path()
