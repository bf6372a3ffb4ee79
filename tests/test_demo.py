"""Every sample job, through a real marketplace and a real provider, gives its expected result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TEST_JOBS = Path(__file__).parents[1] / "test_jobs"


@pytest.mark.timeout(400)
def test_the_demo_is_right_about_every_job() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "node3nb", "demo", "--json", os.fspath(TEST_JOBS)],
        capture_output=True,
        check=False,
        text=True,
        timeout=360,
    )
    assert ended.returncode == 0, ended.stderr
    jobs = json.loads(ended.stdout)["jobs"]
    assert [job["name"] for job in jobs] == sorted(path.name for path in TEST_JOBS.glob("[0-9]*"))
    assert all(job["right"] and job["result"]["executor"] == "native" for job in jobs)
