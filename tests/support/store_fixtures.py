"""Fixtures of the places where a marketplace keeps files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import seaweed
from support.seaweed import Seaweed


@pytest.fixture(scope="session")
def s3() -> Iterator[Seaweed]:
    """Run a real S3 store, named by the environment of every process started meanwhile."""
    with seaweed.running() as store, pytest.MonkeyPatch.context() as patch:
        for name, value in store.environment.items():
            patch.setenv(name, value)
        yield store
