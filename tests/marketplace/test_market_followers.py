"""Those who follow logs cost the database one look, however many there are."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from marketplace.market_parts import CALL_S, Market, Person, eventually, refusal, said

from node3nb.marketplace import following
from node3nb.marketplace.following import Follower, LogReaders
from node3nb.marketplace.logs import Logs
from node3nb.marketplace.refusals import Unavailable
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings
from node3nb.marketplace.store import attempts

#: Followers at once.
FOLLOWERS = 20


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The jobs of each look at the database; none is taken for the time that passes."""
    taken: list[list[str]] = []

    def noted(connection: sa.Connection, job_ids: list[str]) -> Any:
        taken.append(sorted(job_ids))
        return stand(connection, job_ids)

    stand = attempts.stand
    monkeypatch.setattr(following, "LOOK_S", 3600.0)
    monkeypatch.setattr(attempts, "stand", noted)
    return taken


@pytest.fixture
def came(monkeypatch: pytest.MonkeyPatch) -> list[Follower]:
    """All who have begun to follow."""
    followers: list[Follower] = []

    class Noted(Follower):
        def __init__(self) -> None:
            super().__init__()
            followers.append(self)

    monkeypatch.setattr(following, "Follower", Noted)
    return followers


def tell(agent: Person, job_id: str, offset: int, piece: bytes) -> requests.Response:
    return agent.call("PATCH", f"/api/jobs/{job_id}/log?offset={offset}", data=piece)


def test_those_who_follow_a_log_cost_one_look(
    settings: Settings, looks: list[list[str]], came: list[Follower]
) -> None:
    with running(settings) as url, ThreadPoolExecutor(FOLLOWERS) as pool:
        market = Market(url, settings.data_dir, settings.database_url)
        job_id, agent = market.consumer.submit(), market.agent()
        agent.lease(job_id)
        people = [market.person(market.consumer.key) for _ in range(FOLLOWERS)]
        path = f"/api/jobs/{job_id}/log?follow&wait_s=60&offset="
        for offset, piece in enumerate((b"1", b"2", b"3")):
            waiting = [pool.submit(each.get, f"{path}{offset}") for each in people]
            eventually(lambda: len(came) == FOLLOWERS * (offset + 1))  # noqa: B023 - done in this turn
            looks.clear()
            said(tell(agent, job_id, offset, piece))
            assert {one.result(CALL_S).content for one in waiting} == {piece}
            assert 1 <= len(looks) <= 2  # the last one to come may be looked for still
        market.close()


def test_those_who_follow_many_logs_cost_one_look(
    settings: Settings, looks: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK_S", 0.01)
    with running(settings) as url, ThreadPoolExecutor(FOLLOWERS) as pool:
        market = Market(url, settings.data_dir, settings.database_url)
        jobs = sorted(market.consumer.submit() for _ in range(FOLLOWERS))
        agent = market.agent()
        for job_id in jobs:
            agent.lease(job_id)
        people = [market.person(market.consumer.key) for _ in jobs]
        path = "/api/jobs/{}/log?follow&wait_s=60"
        waiting = [
            pool.submit(person.get, path.format(job_id))
            for person, job_id in zip(people, jobs, strict=True)
        ]
        eventually(lambda: looks[-1:] == [jobs])
        for job_id in jobs:  # as another server process would write them
            Logs(settings.data_dir / "logs", 9).append(job_id, 1, 0, b"piece")
        assert {one.result(CALL_S).content for one in waiting} == {b"piece"}
        market.close()


def test_a_job_has_so_many_followers_at_once(settings: Settings, came: list[Follower]) -> None:
    with running(settings) as url, ThreadPoolExecutor(following.MOST) as pool:
        market = Market(url, settings.data_dir, settings.database_url)
        job_id = market.consumer.submit()
        people = [market.person(market.consumer.key) for _ in range(following.MOST)]
        path = f"/api/jobs/{job_id}/log?follow&wait_s=60"
        waiting = [pool.submit(each.get, path) for each in people]
        eventually(lambda: len(came) == following.MOST)
        code, told = refusal(market.consumer.get(path))
        assert (code, "follow this job's log" in told) == (429, True)
        said(market.consumer.post(f"/api/jobs/{job_id}/cancel"))
        assert {one.result(CALL_S).status_code for one in waiting} == {200}
        assert market.consumer.get(path).status_code == 200
        market.close()


def test_followers_leave_nothing_behind(tmp_path: Path) -> None:
    class Away:
        """A database that does not answer."""

        async def read(self, *_asked: Any) -> Any:
            raise Unavailable

        write = read

    async def follow(readers: LogReaders, job_id: str, seconds: float) -> object:
        with readers.follower(job_id) as follower:
            deadline = asyncio.get_running_loop().time() + seconds
            return await follower.told(lambda _state: True, deadline)

    async def all_go() -> LogReaders:
        readers = LogReaders(Away(), Logs(tmp_path, 9))
        looking = asyncio.create_task(readers.look_on())
        waits = [asyncio.create_task(follow(readers, "job", 3600)) for _ in range(3)]
        assert await follow(readers, "other", 0.01) is None
        readers.close()
        assert await asyncio.gather(*waits) == [None] * 3
        assert await follow(readers, "job", 3600) is None
        looking.cancel()
        return readers

    assert asyncio.run(all_go())._followers == {}
