"""What a test needs of the machine: a laptop may lack it, CI may not."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

from node3nb import NativeExecutor
from node3nb.errors import IsolationError
from node3nb.jobs import Isolation


def program(name: str) -> str:
    """Return the path of a program; without it, skip on a laptop and fail in CI."""
    path = shutil.which(name)
    if path is None:
        miss(f"{name} is not installed; .ci/run has to install it")
    return path


def native(isolation: Isolation | None) -> NativeExecutor:
    """Return an executor that runs jobs at a level; without it, skip on a laptop and fail in CI.

    Parameters
    ----------
    isolation
        The level; None takes the strongest there is.
    """
    executor = NativeExecutor(isolation)
    try:
        executor.available()
    except IsolationError as error:
        miss(str(error))
    return executor


def lacking(lacks: bool, what: str) -> pytest.MarkDecorator:
    """Mark a test that can't run where something is lacking; in CI it runs, and fails."""
    return pytest.mark.skipif(lacks and not os.environ.get("CI"), reason=what)


def miss(what: str) -> NoReturn:
    """Skip on a laptop and fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
