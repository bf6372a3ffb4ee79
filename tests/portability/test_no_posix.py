"""The package on a system without POSIX, as Windows: it imports, and says what to use instead."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[1] / "support" / "native_no_posix.py"


@pytest.fixture(scope="module")
def outcome() -> dict[str, Any]:
    told = subprocess.run(
        [sys.executable, str(PROGRAM)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    return dict(json.loads(told.stdout))


def test_everything_imports(outcome: dict[str, Any]) -> None:
    assert outcome["failed"] == {}


def test_native_says_what_to_use_instead(outcome: dict[str, Any]) -> None:
    available, reason, refused = outcome["native"]
    assert not available
    assert reason == refused
    assert reason.count(".") == 1
    assert "not supported" in reason
    assert "container" in reason
