"""However many jobs a provider has had: what it holds has a bound, which is reached soon."""

from __future__ import annotations

import gc
import re
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from agent.agent_parts import Market, descriptors, eventually, ours, provider
from chaos.market import Market as MarketProcess

from node3nb.agent import job_book, journal, letter
from node3nb.agent.letter import Letter
from node3nb.agent.outbox import Outbox
from node3nb.jobs import ExitReason, JobResult, JobState

#: What is remembered of jobs here, so that a few fill it.
KEPT = 20
#: Jobs of one round, and rounds in one of which at the latest nothing grows: by then all threads
#: have called, each with a connection of its own.
ROUND, ROUNDS = 40, 6
#: What may be more after a round all the same, while calls come and go: blocks of memory that the
#: interpreter has given out, objects of ours, descriptors, threads.
SLACK = (4 * ROUND, ROUND // 4, 2, 2)


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    """One that is a process of its own: what it holds is not counted here."""
    process = MarketProcess(tmp_path / "market")
    yield Market(f"http://127.0.0.1:{process.port()}", process.data_dir)
    process.close()


def blocks() -> int:
    """Return how many blocks of memory live objects take: garbage is none."""
    gc.collect()
    return sys.getallocatedblocks()


def held() -> tuple[int, ...]:
    """Return the figures of `SLACK` as they are."""
    live = blocks()
    objects = sum(str(type(each).__module__).startswith("node3nb.") for each in gc.get_objects())
    return live, objects, descriptors(), threading.active_count()


def grows(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    return any(now - then > slack for now, then, slack in zip(after, before, SLACK, strict=True))


def files(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


@pytest.mark.timeout(300)
def test_what_a_provider_holds_does_not_grow_with_its_jobs(
    market: Market, node3_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (job_book, journal):
        monkeypatch.setattr(module, "KEPT", KEPT)
    others, strangers = ours(), psutil.Process().children()
    with provider(market.url) as running:
        send(market, range(ROUND))
        eventually(lambda: not list((node3_home / "outbox").iterdir()))
        seen, there = [held()], files(node3_home)
        for number in range(1, ROUNDS + 1):
            send(market, range(number * ROUND, (number + 1) * ROUND))
            seen.append(held())
            if not grows(*seen[-2:]):
                break
        else:
            pytest.fail(f"blocks, objects, descriptors and threads after each round: {seen}")
        eventually(lambda: files(node3_home) == there)
        assert running.snapshot().completed == (number + 1) * ROUND
    eventually(lambda: ours() <= others)
    assert psutil.Process().children() == strangers


def send(market: Market, numbers: range) -> None:
    """Have jobs run and wait for them; each gets its time."""
    sent = [market.submit(["python", "-c", f"print({number})"]) for number in numbers]
    assert all(market.result(job_id).ok for job_id in sent)


def grown(step: Callable[[int], object], times: int = 1000) -> int:
    """Return how many blocks more there are after a step has been done so often."""
    for number in range(50):
        step(number)
    before = blocks()
    for number in range(50, times):
        step(number)
    return blocks() - before


def test_letters_that_were_read_are_forgotten() -> None:
    assert grown(lambda _: letter.read_letter(new_letter().to_bytes())) < 100


def test_names_that_were_asked_for_are_forgotten(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    re.purge()
    assert grown(lambda _: outbox.holds(uuid.uuid4().hex), 400) < 100


def new_letter() -> Letter:
    job_id = uuid.uuid4().hex
    result = JobResult(job_id, JobState.COMPLETED, ExitReason.EXITED, exit_code=0, stdout=job_id)
    name, url = letter.new_name(job_id), f"http://127.0.0.1:9/{job_id}"
    return Letter(name, "http://127.0.0.1:9", "me", job_id, job_id, url, "2026-01-01", result)
