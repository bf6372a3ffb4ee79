"""What a job has left is copied to its owner, and nothing of the owner's is touched by it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from node3nb.files.output_copies import copy_outputs


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """What a job has left."""
    left = tmp_path / "left"
    (left / "data").mkdir(parents=True)
    (left / "data" / "secret.txt").write_text("the job's")
    (left / "o.txt").write_text("kept")
    return left


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where its owner wants it."""
    out = tmp_path / "out"
    out.mkdir()
    return out


def test_files_come_to_the_same_paths(left: Path, out: Path) -> None:
    assert copy_outputs(["data/secret.txt", "o.txt"], left, out) == []
    assert (out / "data" / "secret.txt").read_text() == "the job's"
    assert (out / "o.txt").read_text() == "kept"


def test_no_link_leads_out(left: Path, out: Path, tmp_path: Path) -> None:
    owner = tmp_path / "owner"
    owner.mkdir()
    (owner / "secret.txt").write_text("the owner's")
    (out / "data").symlink_to(owner)
    (out / "o.txt").symlink_to(owner / "new")

    failed = dict(copy_outputs(["data/secret.txt", "o.txt"], left, out))

    assert set(failed) == {"data/secret.txt", "o.txt"}
    assert (owner / "secret.txt").read_text() == "the owner's"
    assert os.listdir(owner) == ["secret.txt"]


def test_what_is_there_stays_and_the_rest_comes(left: Path, out: Path) -> None:
    (out / "o.txt").write_text("mine")

    failed = copy_outputs(["data/secret.txt", "o.txt"], left, out)

    assert failed == [("o.txt", "something of its name is there already")]
    assert (out / "o.txt").read_text() == "mine"
    assert (out / "data" / "secret.txt").read_text() == "the job's"


def test_no_path_leads_up(left: Path, out: Path) -> None:
    ((path, _),) = copy_outputs(["../left/o.txt"], left, out)
    assert path == "../left/o.txt"
    assert os.listdir(out) == []


def test_half_a_file_does_not_stay(left: Path, out: Path) -> None:
    (left / "endless").symlink_to("/dev/full")
    (left / "o.txt").unlink()
    (left / "o.txt").mkdir()
    failed = dict(copy_outputs(["endless", "o.txt", "gone"], left, out))
    assert set(failed) == {"endless", "o.txt", "gone"}
    assert os.listdir(out) == []


def test_what_may_be_replaced_is_replaced_and_no_link_is_written_through(
    left: Path, out: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (out / "o.txt").symlink_to(tmp_path / "elsewhere")
    (out / "data").mkdir()
    (out / "data" / "secret.txt").write_text("an earlier run's")
    (out / "mine").write_text("mine")
    assert copy_outputs(["data/secret.txt", "o.txt"], left, out, replace=True) == []
    assert (out / "data" / "secret.txt").read_text() == "the job's"
    assert (out / "o.txt").read_text() == "kept"
    assert not (out / "o.txt").is_symlink()
    assert (tmp_path / "elsewhere").read_text() == (out / "mine").read_text() == "mine"
    assert sorted(path.name for path in out.rglob("*")) == ["data", "mine", "o.txt", "secret.txt"]
