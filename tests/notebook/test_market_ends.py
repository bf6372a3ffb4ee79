"""A marketplace ends with whoever started it, even where a fork of that one lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import needs
from support.kernel_deaths import Deaths

from node3nb.errors import ConfigError, MarketplaceUnreachable
from node3nb.marketplace import process

STARTER = """
import os, sys, time
from pathlib import Path
from node3nb.marketplace import process

market = process.start(Path(sys.argv[1]))
fork = os.fork()
if fork:
    print(market.process.pid, fork, flush=True)
time.sleep(600)
"""


@needs.lacking(not hasattr(os, "pidfd_open"), "deaths are watched by pidfd")
def test_it_ends_with_a_killed_parent_that_has_forked(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        market, fork = map(int, starter.stdout.readline().split())
        deaths = Deaths([market])
        try:
            starter.kill()
            deaths.wait()
        finally:
            deaths.close()
            os.kill(fork, signal.SIGKILL)


def test_one_directory_has_one_marketplace(tmp_path: Path) -> None:
    with process.start(tmp_path) as market:
        with pytest.raises(ConfigError, match=r"runs in .* already, at http://127\.0\.0\.1:"):
            process.start(tmp_path)
        assert market.alive
    assert not market.alive
    with process.start(tmp_path) as again:
        assert again.keys_file.stat().st_mode & 0o077 == 0


def test_one_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't be made"):
        process.start(tmp_path / "file" / "below")


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "EXTRA", ("no_such_package",))
    with pytest.raises(ConfigError, match=r"needs no_such_package; run: pip install"):
        process.start(tmp_path)


def test_one_that_says_nothing_and_ends_leaves_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(MarketplaceUnreachable, match=r"see that the disk of .* has room"):
        process.start(tmp_path)
