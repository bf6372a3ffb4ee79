"""The package on a system without POSIX, as Windows: it imports, and says what to use instead."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "support" / "native_no_posix.py"


def test_it_imports_and_says_what_to_use_instead() -> None:
    told = subprocess.run(
        [sys.executable, str(PROGRAM)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    outcome = json.loads(told.stdout)
    assert outcome["failed"] == {}
    available, reason, refused = outcome["native"]
    assert not available
    assert reason == refused
    assert reason.count(".") == 1
    assert "not supported" in reason
    assert "container" in reason
