"""An agent whose key is not on the disk is none: nobody could deliver what it leaves."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import needs
from support.base_marketplace import BaseMarketplace

from node3nb import config
from node3nb.agent.enrolment import Enrolment
from node3nb.agent.settings import Settings
from node3nb.marketplace.client.client import MarketplaceClient

GPU = {"gpu_model": "none", "gpu_vendor": "none", "gpu_memory": 0, "compute_capability": None}

pytestmark = needs.lacking(os.name != "posix", "files of this process are kept short")


@contextlib.contextmanager
def nothing_can_be_written() -> Iterator[None]:
    """Refuse every byte that this process would write into a file (setrlimit(2))."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_key_that_can_not_be_kept_is_not_used_and_not_asked_for_twice(
    base: BaseMarketplace,
) -> None:
    client = MarketplaceClient(base.url)
    enrolment = Enrolment(client, "", Settings(wallet_address="0xabc"), GPU)
    for _ in range(2):
        with nothing_can_be_written(), pytest.raises(OSError, match="too large"):
            enrolment.ensure()
        assert not enrolment.known()
        assert client.headers == {}
    assert enrolment.ensure()
    assert len(base.calls_to("/register")) == 1
    assert config.key("agent", base.url) == client.headers["X-API-Key"]


def test_keys_that_can_not_be_kept_leave_those_that_were(node3_home: Path) -> None:
    config.keep_keys("http://one", {"agent": "first"})
    with nothing_can_be_written(), pytest.raises(OSError, match="too large"):
        config.keep_keys("http://one", {"agent": "second"})
    assert config.key("agent", "http://one") == "first"
    assert [path.name for path in node3_home.iterdir()] == ["keys.json"]
