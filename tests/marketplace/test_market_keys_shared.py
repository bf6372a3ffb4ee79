"""Several server processes of one data directory: a revoked key works at none of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from marketplace.market_parts import Market, eventually, in_progress, said, waiting

from node3nb.marketplace.server import running
from node3nb.marketplace.settings import Settings

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
