"""What a test needs of the machine: a laptop may lack it, CI may not."""

from __future__ import annotations

import os
import shutil

import pytest


def program(name: str) -> str:
    """Return the path of a program; without it, skip on a laptop and fail in CI."""
    path = shutil.which(name)
    if path is None and os.environ.get("CI"):
        pytest.fail(f"{name} is missing; .ci/run has to install it")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path
