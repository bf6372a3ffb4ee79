"""How much is kept: quotas to the byte and against races, a disk that fills, days and leftovers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from marketplace.market_parts import BOTH, Market, SetClock, refusal, said
from support import needs

from node3nb.marketplace.artifacts.keeper import SILENCE_S
from node3nb.marketplace.context import Marketplace
from node3nb.marketplace.database.schema import artifacts, jobs, storage, uploads
from node3nb.marketplace.disk_room import free_bytes, kept_free
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import DAY_S, Settings
from node3nb.marketplace.store import uploads as ways
from node3nb.marketplace.store.storage import Quota
from node3nb.marketplace.wire.words import ArtifactKind

DATABASES = BOTH
KIB = 1024
FILE = os.urandom(100 * KIB)


@pytest.fixture
def tight(settings: Settings) -> Settings:
    """Room for ten files of 100 KiB for each submitter."""
    return replace(settings, quota_bytes=1000 * KIB, quota_files=10)


@contextlib.contextmanager
def open_market(settings: Settings, clock: SetClock) -> Iterator[Market]:
    with running(settings, clock) as url:
        market = Market(url, settings.data_dir, settings.database_url)
        yield market
        market.close()


def charged(connection: sa.Connection) -> dict[str, tuple[int, int]]:
    """Return what each submitter is charged with, in bytes and files."""
    rows = connection.execute(sa.select(storage).where(storage.c.files > 0))
    return {row.owner: (row.bytes, row.files) for row in rows}


def counted(connection: sa.Connection) -> dict[str, tuple[int, int]]:
    """Return what the rows of files add up to."""
    each = sa.union_all(
        sa.select(artifacts.c.job_id, artifacts.c.bytes),
        sa.select(uploads.c.job_id, uploads.c.bytes),
    ).subquery()
    rows = connection.execute(
        sa.select(jobs.c.submitter, sa.func.sum(each.c.bytes), sa.func.count())
        .join(each, each.c.job_id == jobs.c.job_id)
        .group_by(jobs.c.submitter)
    )
    return {owner: (int(size), number) for owner, size, number in rows}


def on_disk(settings: Settings) -> int:
    """Return how many files lie in the data directory."""
    return sum(path.is_file() for path in (settings.data_dir / "artifacts").rglob("*"))


def test_inputs_stop_at_the_quota_of_their_submitter(tight: Settings, clock: SetClock) -> None:
    with open_market(tight, clock) as market:
        ids = [market.consumer.submit(awaits_input=True) for _ in range(4)]
        big = bytes(600 * KIB)
        said(market.consumer.put(f"/api/jobs/{ids[0]}/input", big))
        code, detail = refusal(market.consumer.put(f"/api/jobs/{ids[1]}/input", big))
        assert (code, f"{400 * KIB} bytes or less" in detail) == (507, True)
        said(market.consumer.put(f"/api/jobs/{ids[2]}/input", bytes(400 * KIB)))
        assert refusal(market.consumer.put(f"/api/jobs/{ids[3]}/input", b"x"))[0] == 507
        other = market.other_consumer()
        said(other.put(f"/api/jobs/{other.submit(awaits_input=True)}/input", big))
        assert market.do(charged) == market.do(counted)
        assert on_disk(tight) == 3


def test_outputs_go_twice_as_far(tight: Settings, clock: SetClock) -> None:
    with open_market(tight, clock) as market:
        agent = market.agent()
        for _ in range(2):
            job_id = market.consumer.submit()
            agent.lease(job_id)
            said(agent.put(f"/api/jobs/{job_id}/output", bytes(1000 * KIB)))
        job_id = market.consumer.submit()
        agent.lease(job_id)
        assert refusal(agent.put(f"/api/jobs/{job_id}/output", b"x"))[0] == 507
        waiting = market.consumer.submit(awaits_input=True)
        assert refusal(market.consumer.put(f"/api/jobs/{waiting}/input", b"x"))[0] == 507


def test_files_are_counted_too(settings: Settings, clock: SetClock) -> None:
    with open_market(replace(settings, quota_files=2), clock) as market:
        ids = [market.consumer.submit(awaits_input=True) for _ in range(3)]
        codes = [market.consumer.put(f"/api/jobs/{each}/input", b"").status_code for each in ids]
        assert codes == [200, 200, 507]


def test_a_stream_of_unknown_length_stops_at_the_quota(settings: Settings, clock: SetClock) -> None:
    tight = replace(settings, quota_bytes=20 << 20, max_artifact_bytes=64 << 20)
    with open_market(tight, clock) as market:
        job_id = market.consumer.submit(awaits_input=True)
        for size_mib, code in ((40, 507), (21, 507), (20, 200)):
            body = (bytes(1 << 20) for _ in range(size_mib))
            answer = market.consumer.put(f"/api/jobs/{job_id}/input", body)
            assert answer.status_code == code
            assert on_disk(tight) == (code == 200)
            assert market.do(charged) == market.do(counted)


def test_those_who_race_for_the_last_bytes_do_not_all_have_them(
    tight: Settings, clock: SetClock
) -> None:
    with open_market(tight, clock) as market:
        ids = [market.consumer.submit(awaits_input=True) for _ in range(24)]
        barrier = threading.Barrier(12)

        def send(job_id: str) -> int:
            person = market.person(market.consumer.key)
            barrier.wait(30)
            return person.put(f"/api/jobs/{job_id}/input", FILE).status_code

        with ThreadPoolExecutor(12) as pool:
            codes = sorted(pool.map(send, ids))
        assert codes == [200] * 10 + [507] * 14
        assert market.do(charged) == market.do(counted)
        assert list(market.do(charged).values()) == [(10 * len(FILE), 10)]
        assert on_disk(tight) == 10


def test_a_replaced_and_a_refused_file_free_their_bytes(tight: Settings, clock: SetClock) -> None:
    with open_market(tight, clock) as market:
        agent = market.agent()
        job_id = market.consumer.submit()
        agent.lease(job_id)
        path = f"/api/jobs/{job_id}/output"
        for content in (bytes(900 * KIB), bytes(800 * KIB), bytes(700 * KIB)):
            said(agent.put(path, content))
            wrong = agent.put(path, content, headers={"X-Content-SHA256": "0" * 64})
            assert wrong.status_code == 422
        assert list(market.do(charged).values()) == [(700 * KIB, 1)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "none", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        needs.miss(f"a small disk can't be mounted: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_takes_no_files_and_keeps_nothing_of_them(
    settings: Settings, clock: SetClock, small_disk: Path
) -> None:
    settings = replace(settings, data_dir=small_disk / "data", max_artifact_bytes=64 << 20)
    with open_market(settings, clock) as market:
        ids = [market.consumer.submit(awaits_input=True) for _ in range(3)]
        first, second, third = (f"/api/jobs/{job_id}/input" for job_id in ids)
        said(market.consumer.put(first, bytes(12 << 20)))
        for body in (bytes(14 << 20), (bytes(1 << 20) for _ in range(14))):
            code, detail = refusal(market.consumer.put(second, body))
            assert (code, "room" in detail) == (507, True)
        assert on_disk(settings) == 1
        assert market.do(charged) == market.do(counted)
        said(market.consumer.put(second, bytes(1 << 20)))
        filler = small_disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(1 << 16))
        assert refusal(market.consumer.put(third, b"x"))[0] == 507
        assert market.consumer.get(first).content == bytes(12 << 20)
        filler.unlink()
        said(market.consumer.put(third, b"x"))


def test_logs_leave_room_for_what_is_noted(
    settings: Settings, clock: SetClock, small_disk: Path
) -> None:
    data_dir = small_disk / "data"
    settings = replace(settings, data_dir=data_dir, max_log_bytes=64 << 20)
    with open_market(settings, clock) as market:
        job_id, agent = market.consumer.submit(), market.agent()
        agent.lease(job_id)
        path, end = f"/api/jobs/{job_id}/log?offset=", 0
        piece = bytes(1 << 18)
        while (answer := agent.call("PATCH", f"{path}{end}", data=piece)).status_code == 200:
            end = said(answer)["offset"]
        assert (refusal(answer)[0], end > 0) == (503, True)
        assert free_bytes(data_dir) >= kept_free(data_dir) // 2


def test_files_go_some_days_after_their_job_has_ended(settings: Settings, clock: SetClock) -> None:
    settings = replace(settings, keep_inputs_days=1, keep_outputs_days=3)
    with open_market(settings, clock) as market:
        agent = market.agent()
        alive, ended = (market.consumer.submit(awaits_input=True) for _ in range(2))
        for job_id in (alive, ended):
            said(market.consumer.put(f"/api/jobs/{job_id}/input", FILE))
            agent.lease(job_id)
            said(agent.put(f"/api/jobs/{job_id}/output", FILE))
        said(agent.complete(ended))
        kept = []
        for _ in range(3):
            clock.advance(1.1 * DAY_S)
            tidy(settings, clock)
            kept.append([fetched(market, ended, kind) for kind in ("input", "output")])
        assert kept == [[404, 200], [404, 200], [404, 404]]
        assert [fetched(market, alive, kind) for kind in ("input", "output")] == [200, 200]
        assert on_disk(settings) == 2
        assert market.do(charged) == market.do(counted)


def test_logs_go_with_the_outputs_of_their_job(
    settings: Settings, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def unlink_elsewhere(path: Path, *, missing_ok: bool = False) -> None:
        with pytest.raises(RuntimeError):  # no calls wait on this thread
            asyncio.get_running_loop()
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_elsewhere)
    settings = replace(settings, keep_outputs_days=3)
    with open_market(settings, clock) as market:
        agent = market.agent()
        alive, ended = (market.consumer.submit() for _ in range(2))
        for job_id in (alive, ended):
            agent.lease(job_id)
            said(agent.call("PATCH", f"/api/jobs/{job_id}/log", data=b"printed"))
        said(agent.complete(ended))
        kept = []
        for _ in range(3):
            clock.advance(1.1 * DAY_S)
            tidy(settings, clock)
            answers = (market.consumer.get(f"/api/jobs/{each}/log") for each in (alive, ended))
            kept.append([answer.content for answer in answers])
        assert kept == [[b"printed"] * 2, [b"printed"] * 2, [b"printed", b""]]
        logs = [path.name for path in (settings.data_dir / "logs").iterdir()]
        assert logs == [f"{alive}-1.log"]


def fetched(market: Market, job_id: str, kind: str) -> int:
    return market.consumer.get(f"/api/jobs/{job_id}/{kind}").status_code


def tidy(settings: Settings, clock: SetClock) -> None:
    """Clear up as another server process on the same database does."""

    async def once() -> None:
        market = Marketplace(settings, clock)
        async with market.open():
            await market.clearing.tidy()

    asyncio.run(once())


def test_what_a_killed_server_leaves_goes(settings: Settings, clock: SetClock) -> None:
    """An upload without an end, a file without a row, and one of a strange name."""
    with open_market(settings, clock) as market:
        job_id = market.consumer.submit(awaits_input=True)
        said(market.consumer.put(f"/api/jobs/{job_id}/input", FILE))
        half = ways.Upload(
            ways.new_name(), job_id, ArtifactKind.OUTPUT, 1, 5, None, clock() + SILENCE_S
        )
        market.do(lambda connection: ways.begin(connection, half, Quota(1 << 30, 10)))
        for name in (half.name, ways.new_name(), "my/notes"):
            path = settings.data_dir / "artifacts" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"12345")
        tidy(settings, clock)
        assert on_disk(settings) == 3  # the input, the upload that may go on, the notes
        clock.advance(SILENCE_S + 1)
        tidy(settings, clock)
        assert on_disk(settings) == 2
        assert market.do(charged) == market.do(counted)
        assert market.consumer.get(f"/api/jobs/{job_id}/input").content == FILE
