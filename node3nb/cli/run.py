"""`node3nb run`: one job here, without a marketplace."""

from __future__ import annotations

import argparse
import codecs
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from node3nb.cli import options
from node3nb.containers.policy import ContainerPolicy
from node3nb.docker_manager import DockerManager
from node3nb.errors import ConfigError
from node3nb.executor import Executor, SilentReporter
from node3nb.files.workspace import Workspace
from node3nb.jobs import ExitReason, Isolation, JobResult, JobSpec, Network, Requirements
from node3nb.local_run import run_here
from node3nb.native_executor import NativeExecutor

#: Seconds between two looks at what the job prints.
LOOK_S = 0.1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    options.add_limits(parser)
    parser.add_argument("--input", type=Path, metavar="PATH", help="the job gets a copy of it")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where its outputs go")
    parser.add_argument(
        "--replace", action="store_true", help="let DIR hold files, and outputs replace some"
    )
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--network", choices=[*Network], default=Network.NONE)
    parser.add_argument("--isolation", choices=[*Isolation], help="level to run at, no other")
    parser.add_argument("--executor", choices=["native", "container"])
    parser.add_argument("--image", default="", metavar="IMAGE", help="run in a container of it")
    parser.add_argument("--no-pull", action="store_true", help="use an image that is here")
    options.add_json(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    parser.set_defaults(do=run)


def run(args: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    spec = _spec(args)
    executors = _executors(args)
    follower = None if args.json else Follower(spec.limits.log_bytes)
    try:
        result = _run_interruptibly(spec, executors, args, follower)
    finally:
        for executor in executors:
            executor.close()
    if follower is None:
        options.print_json(result.to_dict())
    else:
        follower.finish(result)
        _explain(result)
    return options.exit_status(result)


def _spec(args: argparse.Namespace) -> JobSpec:
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    return JobSpec(
        command=tuple(command),
        image=args.image,
        environment=_environment(args.env),
        limits=options.limits(args),
        requirements=Requirements(
            isolation=Isolation(args.isolation) if args.isolation else None,
            network=Network(args.network),
            container=_wants_container(args),
        ),
    )


def _environment(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise ConfigError(f"--env: {pair!a} has no value; write NAME=VALUE.")
    return dict(pair.split("=", 1) for pair in pairs)


def _wants_container(args: argparse.Namespace) -> bool:
    return bool(args.image) or args.executor == "container"


def _executors(args: argparse.Namespace) -> tuple[Executor, ...]:
    """Return what may run the command: this machine's own Python first, unless a container is."""
    wanted = Isolation(args.isolation) if args.isolation else None
    native = NativeExecutor(None if wanted is Isolation.CONTAINER else wanted)
    policy = ContainerPolicy(own_images=("*",), registries=("*",), pull=not args.no_pull)
    container = DockerManager(policy, prepare=False)
    if _wants_container(args):
        return (container,)
    return (native,) if args.executor else (native, container)


def _run_interruptibly(
    spec: JobSpec,
    executors: tuple[Executor, ...],
    args: argparse.Namespace,
    follower: Follower | None,
) -> JobResult:
    """Run the job on another thread, so that Ctrl-C here takes it down the stopping ladder."""
    outcome: list[JobResult | BaseException] = []
    reporter, over = SilentReporter(), threading.Event()

    def work() -> None:
        try:
            outcome.append(
                run_here(
                    spec,
                    executors,
                    input_dir=args.input,
                    output_dir=args.output,
                    replace_outputs=args.replace,
                    reporter=reporter,
                    opened=follower.follow if follower else None,
                )
            )
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            outcome.append(error)
        finally:
            over.set()

    def call_off() -> None:
        reporter.cancelled.set()
        for executor in executors:
            executor.cancel(spec.job_id)

    threading.Thread(target=work, daemon=True).start()
    _attend(over, follower, call_off)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _attend(over: threading.Event, follower: Follower | None, call_off: Callable[[], None]) -> None:
    """Print until the job is over; call it off when nobody wants it or reads it any more.

    Raises
    ------
    BrokenPipeError
        Nobody reads what it prints; it is over.
    """
    broken = None
    while not over.is_set():
        try:
            over.wait(LOOK_S)
            if follower and broken is None:
                follower.look()
        except KeyboardInterrupt:
            call_off()
        except BrokenPipeError as error:
            broken = error
            call_off()
    if broken is not None:
        raise broken


def _explain(result: JobResult) -> None:
    """Say why a job did not simply exit."""
    if result.message and not (result.reason is ExitReason.EXITED and result.exit_code == 0):
        sys.stderr.write(f"node3nb: {result.message}\n")


class Follower:
    """Prints what a job prints, while it runs.

    Parameters
    ----------
    log_bytes
        What is kept of each log: its first half never changes once it is written.
    """

    def __init__(self, log_bytes: int) -> None:
        self._steady = log_bytes - log_bytes // 2
        self._workspace: Workspace | None = None
        self._streams = {"stdout": _Tail(sys.stdout), "stderr": _Tail(sys.stderr)}

    def follow(self, workspace: Workspace) -> None:
        """Read the logs in this workspace from now on."""
        self._workspace = workspace

    def look(self) -> None:
        """Print what has come since the last look."""
        if self._workspace is not None:
            for name, tail in self._streams.items():
                tail.look(self._workspace.log / name, self._steady)

    def finish(self, result: JobResult) -> None:
        """Print the rest."""
        self._streams["stdout"].finish(result.stdout)
        self._streams["stderr"].finish(result.stderr)


class _Tail:
    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._bytes = self._characters = 0

    def look(self, path: Path, steady: int) -> None:
        try:
            with path.open("rb") as log:
                log.seek(self._bytes)
                data = log.read(steady - self._bytes)
        except OSError:
            return
        self._bytes += len(data)
        self._write(self._decoder.decode(data))

    def finish(self, text: str) -> None:
        self._write(text[self._characters :])

    def _write(self, text: str) -> None:
        self._characters += len(text)
        self._out.write(text)
        self._out.flush()
