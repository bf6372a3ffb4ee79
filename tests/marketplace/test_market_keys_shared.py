"""Several server processes of one data directory: a revoked key works at none of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from marketplace.market_parts import CALL_S, Market, eventually, in_progress, said, waiting

from node3nb.marketplace.database.database import Database
from node3nb.marketplace.keys import Role
from node3nb.marketplace.pages import KeyAsked
from node3nb.marketplace.refusals import Conflict
from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings
from node3nb.marketplace.store import key_ring

DATABASES = ("postgresql",)


@pytest.fixture
def two(settings: Settings) -> Iterator[tuple[Market, Market]]:
    """Two servers of one data directory and one database."""
    url = settings.database_url
    with running(settings) as one, running(settings) as other:
        markets = Market(one, settings.data_dir, url), Market(other, settings.data_dir, url)
        yield markets
        for market in markets:
            market.close()


def test_a_key_that_one_has_revoked_is_no_key_at_the_other(two: tuple[Market, Market]) -> None:
    one, other = two
    consumer = one.other_consumer()
    there = other.person(consumer.key)
    for _ in range(5):
        said(there.get("/api/jobs"))
    said(one.admin.post(f"/api/admin/keys/{consumer.key_id}/revoke"))
    assert there.get("/api/jobs").status_code == 401


def test_a_poll_that_waits_at_the_other_ends_too(two: tuple[Market, Market]) -> None:
    one, other = two
    agent = one.agent()
    told: list[int] = []
    thread = waiting(other.person(agent.key), told)
    eventually(lambda: in_progress(other) == 2)
    said(one.admin.post(f"/api/admin/keys/{str(agent.key).split('_')[2]}/revoke"))
    thread.join(30)
    assert told == [401]


def test_two_administrators_do_not_revoke_each_others_last_key(database_url: str) -> None:
    with Database(database_url) as database:
        made = [database.write(key_ring.add, KeyAsked(role=Role.ADMIN), 1.0) for _ in range(2)]
        first, second = (each.result(CALL_S).key_id for each in made)
        waits = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        engine = sa.create_engine(database_url)
        with engine.connect() as one:
            key_ring.revoke(one, first, 2.0)
            other = database.write(key_ring.revoke, second, 2.0)
            eventually(lambda: other.done() or one.execute(waits).scalar_one() > 0)
            one.commit()
        engine.dispose()
        with pytest.raises(Conflict, match="last key"):
            other.result(CALL_S)
