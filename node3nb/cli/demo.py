"""`node3nb demo`: a marketplace and a provider on this machine run every sample job."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node3nb import config, hardware
from node3nb.agent.enrolment import UNCLAIMED
from node3nb.agent.settings import Settings
from node3nb.cli import options
from node3nb.containers.policy import ContainerPolicy
from node3nb.errors import ConfigError
from node3nb.jobs import JobResult
from node3nb.marketplace import process
from node3nb.marketplace.client import consumer
from node3nb.marketplace.client.client import MarketplaceClient
from node3nb.marketplace.wire.protocol import Registration
from node3nb.provider import Provider
from node3nb.sample_jobs import SampleJob, check, load

#: Exit statuses: some result is wrong; none is, but not every job could be tried.
WRONG, NOT_TRIED = 1, 3
#: Seconds the slowest sample job may take from submission to result.
JOB_S = 600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one sample job."""

    #: The job.
    sample: SampleJob
    #: How it ended; None when it was not run.
    result: JobResult | None
    #: What is not as it should be, in words.
    differences: tuple[str, ...] = ()
    #: Distributions without which it was not tried.
    missing: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether all is as expected."""
        return not (self.differences or self.missing)

    @property
    def verdict(self) -> str:
        """What there is to say of it."""
        if self.missing:
            told = "are not installed" if len(self.missing) > 1 else "is not installed"
            names = ", ".join(self.missing)
            return f"not tried: {names} {told}; run: pip install {' '.join(self.missing)}"
        return f"WRONG: {'; '.join(self.differences)}" if self.differences else "right"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = (
        f"Exit status: 0 when every result is right, {WRONG} when one is wrong, {NOT_TRIED} when "
        "none is but some jobs were not tried, as this Python lacks what they need."
    )
    parser.add_argument("jobs", type=Path, nargs="?", default=Path("test_jobs"), metavar="DIR")
    options.add_json(parser)
    parser.set_defaults(do=demo)


def demo(args: argparse.Namespace) -> int:
    """Run the sample jobs; 0 only when every one was tried and its result is right."""
    samples = load(args.jobs)
    if not samples:
        raise ConfigError(f"There are no sample jobs in {args.jobs}; name their directory.")
    say = sys.stderr.write if args.json else sys.stdout.write
    with (
        tempfile.TemporaryDirectory(prefix="node3nb-demo-") as scratch,
        _market(Path(scratch)) as client,
    ):
        count = "1 job" if len(samples) == 1 else f"{len(samples)} jobs"
        say(f"Marketplace {client.url}; {count}. Making inputs and submitting...\n")
        submitted = [(sample, _submit(client, sample)) for sample in samples]
        say(_line("JOB", "STATE", "REASON", "WHERE", "ISOLATION", "START ms", "RAN s", "RESULT"))
        outcomes = []
        for sample, job_id in submitted:
            outcomes.append(_outcome(client, sample, job_id, Path(scratch)))
            say(_shown(outcomes[-1]))
    right, untried = (
        sum(each.right for each in outcomes),
        sum(bool(each.missing) for each in outcomes),
    )
    left_out = f", {untried} not tried" if untried else ""
    say(f"{right} of {len(outcomes)} as expected{left_out}.\n")
    if args.json:
        options.print_json({"jobs": [_told(outcome) for outcome in outcomes]})
    if right + untried < len(outcomes):
        return WRONG
    return NOT_TRIED if untried else 0


@contextmanager
def _market(scratch: Path) -> Iterator[MarketplaceClient]:
    """Run a marketplace and a provider that nothing remembers; gives a consumer's client."""
    with process.start(scratch / "marketplace") as market:
        agent = MarketplaceClient(market.url).register(
            Registration(
                wallet_address=UNCLAIMED, gpu_model="none", gpu_vendor="none", gpu_memory=0
            )
        )
        slots = max(2, hardware.machine().cores // 2)
        settings = Settings(
            max_concurrent_jobs=slots, poll_s=0.5, containers=ContainerPolicy(prefer_native=True)
        )
        provider = Provider(market.url, agent.api_key, settings=settings).start()
        try:
            yield MarketplaceClient(
                market.url, config.key("consumer", market.url, market.keys_file)
            )
        finally:
            provider.stop()


def _submit(client: MarketplaceClient, sample: SampleJob) -> str:
    """Submit a sample job; one that lacks something here is not sent: its id is empty."""
    if sample.missing():
        return ""
    return consumer.submit(client, sample.submission(), sample.input_path())


def _outcome(client: MarketplaceClient, sample: SampleJob, job_id: str, scratch: Path) -> Outcome:
    if not job_id:
        return Outcome(sample, None, missing=tuple(sample.missing()))
    try:
        result = consumer.result_of(consumer.wait(client, job_id, JOB_S))
    except TimeoutError as error:
        return Outcome(sample, None, (str(error),))
    outputs = scratch / sample.name
    consumer.fetch_outputs(client, job_id, outputs)
    differences = check(sample, result, lambda path: (outputs / path).read_bytes())
    return Outcome(sample, result, tuple(differences))


def _shown(outcome: Outcome) -> str:
    result = outcome.result
    if result is None:
        return _line(outcome.sample.name, "-", "-", "-", "-", "-", "-", outcome.verdict)
    return _line(
        outcome.sample.name,
        result.state,
        result.reason,
        result.executor,
        result.isolation or "-",
        f"{result.startup_ms:.1f}",
        f"{result.wall_s:.2f}",
        outcome.verdict,
    )


def _line(*cells: str) -> str:
    *most, last = cells
    widths = (22, 10, 14, 9, 10, 9, 7)
    return (
        " ".join(f"{cell:<{width}}" for cell, width in zip(most, widths, strict=True))
        + f" {last}\n"
    )


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.sample.name,
        "right": outcome.right,
        "missing": outcome.missing,
        "differences": outcome.differences,
        "result": outcome.result.to_dict() if outcome.result else None,
    }
