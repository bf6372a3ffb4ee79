"""The collector against a tree that somebody changes all the time while it is read."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from node3nb.files.collector import CollectLimits, collect

SECRET = b"the owner's own"
LIMITS = CollectLimits(bytes=1 << 20, files=200)
NAMES = ("a", "b", "c", "d")
#: Collections of each run; each meets other moments of the changes.
ROUNDS = 25


class Vandal:
    """Changes what is in a directory, at random, as fast as it can."""

    def __init__(self, output: Path, outside: Path, seed: int) -> None:
        self._output = output
        self._outside = outside
        self._random = random.Random(seed)

    def act(self) -> None:
        with suppress(OSError):
            self._random.choice(
                (self._write, self._link, self._pipe, self._rename, self._remove, self._nest)
            )(self._place())

    def _place(self) -> Path:
        parts = self._random.choices(NAMES, k=self._random.randint(1, 3))
        return self._output.joinpath(*parts)

    def _write(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        with path.open("xb") as file:
            file.write(self._random.randbytes(self._random.choice((0, 10, 5000))))

    def _link(self, path: Path) -> None:
        way = self._random.choice((os.symlink, os.link))
        way(self._random.choice((self._outside, self._outside.parent)), path)

    def _pipe(self, path: Path) -> None:
        os.mkfifo(path)

    def _rename(self, path: Path) -> None:
        path.rename(self._place())

    def _remove(self, path: Path) -> None:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def _nest(self, path: Path) -> None:
        path.mkdir()


@contextmanager
def vandalised(output: Path, outside: Path, seed: int) -> Iterator[None]:
    vandal, over = Vandal(output, outside, seed), threading.Event()

    def work() -> None:
        while not over.is_set():
            vandal.act()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("seed", range(4))
def test_what_is_collected_is_what_is_told(tmp_path: Path, seed: int) -> None:
    output, outside = tmp_path / "output", tmp_path / "outside" / "secret"
    for directory in (output, outside.parent):
        directory.mkdir()
    outside.write_bytes(SECRET)
    with vandalised(output, outside, seed):
        for number in range(ROUNDS):
            archive = tmp_path / f"{number}.tar.gz"
            collected = collect(output, LIMITS, archive)
            told = {file.path: (file.bytes, file.sha256) for file in collected.files}
            assert hashlib.sha256(SECRET).hexdigest() not in {digest for _, digest in told.values()}
            assert sent(archive) == told
    assert outside.read_bytes() == SECRET


def sent(archive: Path) -> dict[str, tuple[int, str]]:
    """Return size and digest of each file in an archive, by path."""
    found = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            assert member.isreg() or member.isdir()
            if member.isreg():
                file = tar.extractfile(member)
                assert file is not None
                content = file.read()
                found[member.name.removeprefix("output/")] = (
                    len(content),
                    hashlib.sha256(content).hexdigest(),
                )
    return found
