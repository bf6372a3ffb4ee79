"""What a program needs keeps working when Landlock and the strictest filter are on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support import needs
from support.forked import linux_only

from node3nb.supervisor.kernel import landlock

pytestmark = [
    linux_only,
    needs.lacking(not landlock.abi(), "the kernel has no Landlock"),
]

TESTS = Path(__file__).parents[1]
WORK = TESTS / "programs" / "ordinary_work.py"
WORKS = (
    *("fork", "spawn", "numbers", "threads", "programs", "database", "certificates"),
    *("event_loop", "files"),
)


@pytest.mark.parametrize("what", WORKS)
def test_works(what: str, tmp_path: Path) -> None:
    program = tmp_path / WORK.name
    program.write_text(WORK.read_text())
    lock_in = [sys.executable, str(TESTS / "support" / "locked_in.py"), str(tmp_path)]
    done = subprocess.run(
        [*lock_in, sys.executable, str(program), what],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("done\n", "", 0)
