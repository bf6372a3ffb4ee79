"""The record of what was pulled for jobs: whole, whoever writes it at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from node3nb.containers.pulled import Pulled, PulledImages
from node3nb.containers.recent import MOST_NAMES, Recent


def image(number: int) -> Pulled:
    return Pulled(f"sha256:{number:064x}", f"docker.io/library/i:{number}", 1, float(number))


def test_many_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    def note(number: int) -> None:
        record = PulledImages(tmp_path / "pulled.json", f"engine {number % 2}")
        record.note(image(number))
        record.note_use(image(number).id)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(note, range(60)))
    found = [PulledImages(tmp_path / "pulled.json", f"engine {which}").all() for which in (0, 1)]
    assert [len(each) for each in found] == [30, 30]


def test_a_write_that_fails_leaves_the_record_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = PulledImages(tmp_path / "pulled.json", "engine")
    record.note(image(1))
    with monkeypatch.context() as patched:
        patched.setattr("os.replace", _full)
        with pytest.raises(OSError, match="No space left"):
            record.note(image(2))
    assert record.all() == [image(1)]
    assert {path.name for path in tmp_path.iterdir()} == {"pulled.json", "pulled.json.lock"}


def test_names_that_strangers_choose_fill_nothing() -> None:
    recent: Recent[int] = Recent()
    for number in range(3 * MOST_NAMES):
        recent.note(str(number), number)
        recent.note("asked for again", number)
    kept = [number for number in range(3 * MOST_NAMES) if recent.of(str(number)) is not None]
    assert kept == list(range(2 * MOST_NAMES + 1, 3 * MOST_NAMES))
    assert recent.of("asked for again") == 3 * MOST_NAMES - 1


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")
