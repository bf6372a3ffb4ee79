"""What PostgreSQL is for: several processes, a database that comes and goes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests
import sqlalchemy as sa
from marketplace.market_parts import CALL_S, Market, Person, eventually, refusal, said
from support import postgresql as postgresql_support
from support.postgresql import PASSWORD, SHOWS_PASSWORD, PostgreSQLServer

from node3nb.errors import ConfigError
from node3nb.marketplace import bell
from node3nb.marketplace.database import database
from node3nb.marketplace.database.database import Database
from node3nb.marketplace.server import running, serve
from node3nb.marketplace.settings import Hosting, Settings

#: Bound of the end of a process, in seconds.
END_S = 60
JOBS = 60
#: Has whoever adds a job lose its connection at the commit.
DIES_IN_COMMIT = """
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON jobs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION die();
"""


@pytest.fixture
def url(postgresql: PostgreSQLServer) -> str:
    """An empty database."""
    return postgresql.fresh()


@contextlib.contextmanager
def served(
    data_dir: Path, url: str, *arguments: str, **environment: str
) -> Iterator[tuple[Market, psutil.Process]]:
    """Run a marketplace in its own process; kill it and its workers at the end."""
    command = [sys.executable, "-m", "node3nb", "marketplace", "--port", "0"]
    with subprocess.Popen(
        [*command, "--data", str(data_dir), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "NODE3_DB": url, **environment},
    ) as child:
        family = [psutil.Process(child.pid)]
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            assert line.startswith("node3nb marketplace ready on http://127.0.0.1:"), line
            family += family[0].children()
            market = Market(line.split()[-1], data_dir, url)
            yield market, family[0]
            market.close()
        finally:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()


def persons(market: Market, person: Person) -> Person:
    """Return the same person at another server of the same database."""
    other = market.person(person.key)
    other.agent_id = person.agent_id
    return other


def work(agent: Person) -> list[str]:
    """Run jobs until there are none, and return those that were ours."""
    ours = []
    while offered := agent.offered():
        for job_id in offered:
            answer = agent.accept(job_id)
            if answer.status_code == 200:
                ours.append(job_id)
                for _ in range(2):
                    said(agent.complete(job_id, lease_id=answer.json()["lease_id"]))
    return ours


def test_agents_of_two_servers_never_share_a_job(tmp_path: Path, url: str) -> None:
    with served(tmp_path, url) as (one, _), served(tmp_path, url) as (other, _):
        job_ids = [one.consumer.submit(reward=0.1) for _ in range(JOBS)]
        agents = [market.agent() for market in (one, other) for _ in range(3)]
        with ThreadPoolExecutor(6) as pool:
            taken = [job_id for ours in pool.map(work, agents) for job_id in ours]
        assert sorted(taken) == sorted(job_ids)
        audit = other.audit()
        assert audit.exact
        assert (audit.entries, audit.booked_micro) == (JOBS, JOBS * 100_000)


def test_one_completion_told_to_two_servers_at_once_is_booked_once(
    tmp_path: Path, url: str
) -> None:
    with served(tmp_path, url) as (one, _), served(tmp_path, url) as (other, _):
        agent = one.agent()
        tellers = [persons(market, agent) for market in (one, other) for _ in range(4)]
        with ThreadPoolExecutor(8) as pool:
            for _ in range(10):
                job_id = one.consumer.submit(reward=1)
                lease = agent.lease(job_id)
                told = pool.map(lambda teller: teller.complete(job_id, lease_id=lease), tellers)  # noqa: B023 - done in this turn
                assert {answer.status_code for answer in told} == {200}
        assert one.audit().exact
        assert one.audit().entries == 10


def test_a_job_wakes_an_agent_at_another_server(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bell, "LOOK_S", 3600.0)
    with (
        running(Settings(tmp_path, url)) as near,
        running(Settings(tmp_path, url)) as far,
        ThreadPoolExecutor(1) as pool,
    ):
        here, there = Market(near, tmp_path, url), Market(far, tmp_path, url)
        for _ in range(3):
            woken = pool.submit(there.agent().offered, wait_s=20, free_slots=1)
            eventually(lambda: _listening(here) == 2)
            job_id = here.consumer.submit()
            assert woken.result(CALL_S) == [job_id]
            said(here.consumer.post(f"/api/jobs/{job_id}/cancel"))
        for market in (here, there):
            market.close()


def test_a_job_nobody_rang_for_is_found(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bell.Bell, "ring", lambda _self: None)
    with (
        running(Settings(tmp_path, url)) as near,
        running(Settings(tmp_path, url)) as far,
        ThreadPoolExecutor(1) as pool,
    ):
        here, there = Market(near, tmp_path, url), Market(far, tmp_path, url)
        woken = pool.submit(there.agent().offered, wait_s=20, free_slots=1)
        job_id = here.consumer.submit()
        assert woken.result(CALL_S) == [job_id]
        for market in (here, there):
            market.close()


def _listening(market: Market) -> int:
    counted = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
    )
    return int(market.do(lambda connection: connection.execute(counted).scalar_one()))


def test_workers_share_a_port_and_end_with_their_parent(tmp_path: Path, url: str) -> None:
    with served(tmp_path, url, "--workers", "2") as (market, parent):
        workers = parent.children()
        assert len(workers) == 2
        job_ids = [market.consumer.submit() for _ in range(JOBS)]
        agents = [market.agent() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            taken = [job_id for ours in pool.map(work, agents) for job_id in ours]
        assert sorted(taken) == sorted(job_ids)
        workers[0].kill()
        eventually(lambda: len({*parent.children()} - {*workers}) == 1)
        workers = parent.children()
        parent.kill()
        gone, alive = psutil.wait_procs(workers, END_S)
        assert (len(gone), alive) == (2, [])


def test_workers_end_in_order(tmp_path: Path, url: str) -> None:
    with served(tmp_path, url, "--workers", "2") as (market, parent):
        workers = parent.children()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(market.agent().offered, wait_s=50)
            eventually(lambda: requests.get(f"{market.url}/health", timeout=CALL_S).ok)
            parent.terminate()
            assert waiting.result(CALL_S) == []
        assert parent.wait(END_S) in {0, -signal.SIGTERM, None}
        assert psutil.wait_procs(workers, END_S)[1] == []
        assert not (tmp_path / "server.json").exists()


def test_workers_need_a_database_for_many(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^workers: SQLite is for one process; .*--db"):
        serve(Settings(tmp_path, hosting=Hosting(port=0, workers=2)))


def test_a_lost_database_is_told_and_found_again(tmp_path: Path) -> None:
    with postgresql_support.running() as server:
        url = server.fresh()
        with running(Settings(tmp_path, url, sweep_s=0.05)) as address:
            market = Market(address, tmp_path, url)
            job_id, agent = market.consumer.submit(), market.agent()
            for how in (signal.SIGQUIT, signal.SIGINT):
                server.stop(how)
                eventually(lambda: market.nobody.get("/health").status_code == 503)
                for answer in (
                    market.consumer.post("/api/jobs", {"command": ["true"]}),
                    agent.accept(job_id),
                ):
                    assert refusal(answer)[0] == 503
                    assert int(answer.headers["Retry-After"]) > 0
                server.start()
                assert market.consumer.status(job_id) == "available"
                assert market.nobody.get("/health").status_code == 200
            with ThreadPoolExecutor(1) as pool:
                woken = pool.submit(agent.offered, wait_s=20, free_slots=1, gpu_memory=1)
                assert woken.result(CALL_S) == [job_id]
            market.close()


def test_a_commit_without_an_answer_may_have_happened(tmp_path: Path, url: str) -> None:
    """The server ends the connection while it commits a new job."""
    with running(Settings(tmp_path, url)) as address:
        market = Market(address, tmp_path, url)
        market.do(lambda connection: connection.execute(sa.text(DIES_IN_COMMIT)).close())
        named = {"headers": {"Idempotency-Key": "mine"}}
        answer = market.consumer.post("/api/jobs", {"command": ["true"]}, **named)
        code, told = refusal(answer)
        assert (code, told.startswith("This may have happened: ")) == (503, True)
        assert answer.json()["type"] == "urn:node3nb:problem:undecided"
        assert int(answer.headers["Retry-After"]) > 0
        market.do(lambda connection: connection.execute(sa.text("DROP TRIGGER dies ON jobs")))
        ids = {market.consumer.post("/api/jobs", {"command": ["true"]}, **named).json()["job_id"]}
        assert {job["job_id"] for job in said(market.admin.get("/api/jobs"))["jobs"]} == ids
        market.close()


def test_connections_that_were_cut_are_made_anew(tmp_path: Path, url: str) -> None:
    others = sa.text(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    with running(Settings(tmp_path, url)) as address:
        market = Market(address, tmp_path, url)
        for _ in range(3):
            market.do(lambda connection: connection.execute(others).close())
            market.consumer.status(market.consumer.submit())
        market.close()


def test_two_servers_that_start_on_an_empty_database_migrate_it_once(url: str) -> None:
    for _ in range(2):
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(database.prepare, [url] * 6))
    with Database(url) as opened:
        counted = opened.read(
            lambda c: c.execute(sa.text("SELECT count(*) FROM alembic_version")).scalar_one()
        )
        assert counted.result(CALL_S) == 1


def test_a_password_comes_from_the_environment_and_goes_nowhere(
    tmp_path: Path, postgresql: PostgreSQLServer
) -> None:
    postgresql.do(f"CREATE ROLE {SHOWS_PASSWORD} LOGIN PASSWORD '{PASSWORD}'")
    postgresql.do(f"CREATE DATABASE theirs OWNER {SHOWS_PASSWORD}")
    url = postgresql.url("theirs", SHOWS_PASSWORD)
    with pytest.raises(ConfigError, match=r"^db: .*password") as caught:
        database.prepare(url)
    assert PASSWORD not in str(caught.value)
    with served(tmp_path, url, PGPASSWORD=PASSWORD) as (market, parent):
        assert market.nobody.get("/health").status_code == 200
        assert PASSWORD not in " ".join(parent.cmdline())
    within = url.replace(SHOWS_PASSWORD, f"{SHOWS_PASSWORD}:{PASSWORD}", 1)
    with served(tmp_path, within, "--workers", "2") as (market, parent):
        assert market.nobody.get("/health").status_code == 200
        for process in (parent, *parent.children()):
            assert PASSWORD not in " ".join(process.cmdline())
    assert PASSWORD not in repr(Settings(tmp_path, within))


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://nobody@/none?host=/nonexistent", "postgresql://u:secret@host/db"],
)
def test_a_database_it_cannot_reach_is_told_in_a_sentence(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"^db: [^\n]+\.$") as caught:
        serve(Settings(tmp_path, url, hosting=Hosting(port=0)))
    assert "secret" not in str(caught.value)
