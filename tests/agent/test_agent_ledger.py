"""What has been earned: counted once, by the owner's days, and kept."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
import time
from pathlib import Path

import pytest
from agent.agent_parts import Market, eventually, provider

from node3nb import config
from node3nb.agent import ledger
from node3nb.agent.earnings import Earnings
from node3nb.agent.journal import Journal, now_iso
from node3nb.agent.ledger import Ledger, Tally, day_of
from node3nb.jobs import ExitReason, JobResult, JobState, failure

URL = "http://127.0.0.1:1"
DONE = JobResult("job", JobState.COMPLETED, ExitReason.EXITED, exit_code=0, wall_s=2.0)
FAILED = failure("job", ExitReason.TIMED_OUT, "too long")


@pytest.fixture
def kept(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def rows(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as file:
        return int(file.execute("SELECT count(*) FROM ended").fetchone()[0])


def test_each_letter_counts_once_and_only_what_completed_pays(kept: Ledger) -> None:
    for letter, result in (("a", DONE), ("a", DONE), ("b", FAILED), ("c", DONE)):
        kept.enter(letter, URL, now_iso(), result, 0.25)
    assert kept.totals(URL) == (Tally(2, 1, 0.5), Tally(2, 1, 0.5))
    assert kept.totals("http://elsewhere") == (Tally(), Tally())


def test_yesterday_is_in_all_but_not_today(kept: Ledger) -> None:
    kept.enter("a", URL, "2020-02-29T12:00:00.000+00:00", DONE, 1.0)
    kept.enter("b", URL, now_iso(), DONE, 0.25)
    assert kept.totals(URL) == (Tally(1, 0, 0.25), Tally(2, 0, 1.25))


def test_each_marketplace_has_sums_of_its_own(kept: Ledger, tmp_path: Path) -> None:
    assert kept.marketplaces() == {}
    assert list(tmp_path.iterdir()) == []
    kept.enter("a", URL, "2020-02-29T12:00:00.000+00:00", DONE, 1.0)
    kept.enter("b", "http://elsewhere", now_iso(), FAILED, 0.25)
    assert kept.marketplaces() == {
        URL: (Tally(), Tally(1, 0, 1.0)),
        "http://elsewhere": (Tally(0, 1), Tally(0, 1)),
    }


@pytest.mark.parametrize(
    ("zone", "day"), [("UTC", "2026-01-01"), ("XST-10", "2026-01-02"), ("XST+10", "2026-01-01")]
)
def test_a_day_is_the_owners(monkeypatch: pytest.MonkeyPatch, zone: str, day: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert day_of("2026-01-01T22:00:00.000+00:00") == day
    finally:
        monkeypatch.undo()
        time.tzset()


def test_many_writers_lose_nothing(kept: Ledger) -> None:
    def write(who: int) -> None:
        for number in range(10):
            kept.enter(f"{who}-{number}", URL, now_iso(), DONE, 1.0)

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept.totals(URL)[1] == Tally(40, 0, 40.0)


def test_letters_are_forgotten_in_time_and_sums_are_not(
    kept: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "KEPT", 3)
    for number in range(8):
        kept.enter(str(number), URL, now_iso(), DONE, 1.0)
    assert rows(tmp_path / "ledger.sqlite") == 3
    assert kept.totals(URL)[1].completed == 8


def test_a_ledger_that_can_not_be_used_is_told_of_and_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database" * 100)
    journal = Journal()
    earnings = Earnings(Ledger(path), URL, journal)
    assert earnings.sums() == (Tally(), Tally())
    assert "can't be used" in journal.entries()[-1].text
    with pytest.raises(OSError, match="can't be used"):
        Ledger(path).enter("a", URL, now_iso(), DONE, 1.0)


@pytest.mark.parametrize("known", [False, True])
def test_a_ledger_is_for_its_owner_alone(kept: Ledger, tmp_path: Path, known: bool) -> None:
    path, old = tmp_path / "ledger.sqlite", os.umask(0)
    try:
        if known:
            path.touch(0o644)
        kept.enter("a", URL, now_iso(), DONE, 1.0)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept.totals(URL)[1] == Tally(1, 0, 1.0)


@pytest.mark.parametrize("there", [False, True])
def test_a_link_in_its_place_is_not_followed(kept: Ledger, tmp_path: Path, there: bool) -> None:
    aim = tmp_path / "elsewhere"
    if there:
        aim.touch(0o600)
    (tmp_path / "ledger.sqlite").symlink_to(aim)
    with pytest.raises(OSError, match="is no plain file"):
        kept.enter("a", URL, now_iso(), DONE, 1.0)
    assert aim.exists() == there
    assert not there or aim.stat().st_size == 0


def test_what_a_provider_earns_is_there_for_the_next_one(market: Market) -> None:
    with provider(market.url) as running:
        assert market.result(market.submit(["true"], reward=0.5)).ok
        assert not market.result(market.submit(["false"], reward=0.5)).ok
        eventually(lambda: running.snapshot().ever == Tally(1, 1, 0.5))
    with provider(market.url) as running:
        now = running.snapshot()
        assert (now.completed, now.earned) == (0, 0.0)
        assert now.today == now.ever == Tally(1, 1, 0.5)
    assert rows(config.ledger_file()) == 2
