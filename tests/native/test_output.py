"""What a job prints: kept head and tail, readable at once, never more than asked."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest
from support.native_jobs import Bench, Started, limits
from support.native_levels import at, once

from node3nb.jobs import Isolation
from node3nb.supervisor.capped_log import REWRITE_S, CappedLog

GAP = re.compile(r"\n\[\.\.\. (\d+) bytes left out \.\.\.\]\n")


def test_log_can_be_read_while_the_job_runs(bench: Bench) -> None:
    with bench.started_program("printing.py", "trickle") as job:
        job.await_line("first")
        assert not job.outcome.done()


@at(Isolation.LIMITS)
@pytest.mark.parametrize("trap", ["fifo", "link", "huge"])
def test_log_that_the_job_swapped(bench: Bench, trap: str) -> None:
    """At a level that can't keep a job from its log, the log must not harm its reader."""
    swap = {
        "fifo": "os.unlink(log); os.mkfifo(log)",
        "link": "os.unlink(log); os.symlink('/etc/passwd', log)",
        "huge": "os.truncate(log, 64 << 20)",
    }[trap]
    result = bench.python(
        f"import os; log = '../log/stdout'; {swap}", limits=limits(log_bytes=4096)
    )
    assert result.ok
    assert len(result.stdout) < 4200
    assert "root:" not in result.stdout


class TestCappedLog:
    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        return str(tmp_path / "log")

    @pytest.mark.parametrize("cap", [2, 3, 64, 100, 999])
    @pytest.mark.parametrize("piece", [1, 7, 64, 1000])
    def test_any_cap_any_pieces(self, path: str, cap: int, piece: int) -> None:
        data = os.urandom(1000).hex().encode()[:1000]
        log = CappedLog(path, cap)
        for start in range(0, len(data), piece):
            log.write(data[start : start + piece], start * REWRITE_S / 500)
        log.close()
        half = cap // 2
        gap = f"\n[... {1000 - cap} bytes left out ...]\n".encode()
        assert Path(path).read_bytes() == data[: cap - half] + gap + data[-half:]
        assert log.truncated

    def test_full_disk_is_told(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        log = CappedLog(path, 100)
        monkeypatch.setattr(os, "pwrite", refuse)
        log.write(b"lost", 0.0)
        log.close()
        assert log.truncated

    def test_last_line(self, path: str) -> None:
        log = CappedLog(path, 10)
        log.write(b"one\n" * 5000 + b"MemoryError\n\n", 0.0)
        assert log.last_line == b"MemoryError"
        log.close()


@once
def test_order_of_both_streams_is_each_its_own(bench: Bench) -> None:
    def prepare(job: Started) -> None:
        (job.workspace.job / "a.py").write_text(
            "import os\nfor n in range(100): os.write(1 + n % 2, b'%d\\n' % n)\n"
        )

    result = bench.run("python", "a.py", prepare=prepare)
    assert result.stdout.split() == [str(number) for number in range(0, 100, 2)]
    assert result.stderr.split() == [str(number) for number in range(1, 100, 2)]
