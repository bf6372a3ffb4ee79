"""Whatever goes wrong: every job ends once, every ledger is exact, and nothing is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import needs
from support.doomed import doomed
from support.forked import linux_only, root_only

#: Bound of the run, in seconds, and of all this test takes.
LIMIT_S, TEST_S = 270, 300
JOBS, FAULTS = 1000, 30
#: The faults that every change meets; `make chaos` draws others.
SEED = "11"


@linux_only
@root_only
@pytest.mark.timeout(TEST_S)
def test_nothing_is_lost_and_nothing_is_left(image_room: Path) -> None:
    needs.program("gcc")
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-m", "chaos.run", "--limit-s", str(LIMIT_S)]
    command += ["--images", str(image_room)]
    seed = ["--seed", os.environ.get("CHAOS_SEED", SEED)]
    done = subprocess.run(
        doomed([*command, "--jobs", str(JOBS), "--faults", str(FAULTS), *seed]),
        cwd=tests,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-20_000:]
