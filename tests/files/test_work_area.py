"""The directory of one provider's workspaces, among those that others have left."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from support.forked import STRANGER, forked, linux_only, root_only

from node3nb.files.workspace import WorkArea


def test_what_was_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "provider-dead" / "job").mkdir(parents=True)
    living = WorkArea(tmp_path)
    other = WorkArea(tmp_path)
    assert set(tmp_path.iterdir()) == {living.path, other.path}
    living.close()
    other.close()
    assert list(tmp_path.iterdir()) == []


@linux_only
@root_only
def test_what_only_root_can_remove_stops_nobody(tmp_path: Path) -> None:
    for parent in (tmp_path, *tmp_path.parents[:-1]):
        parent.chmod(parent.stat().st_mode | 0o011)
    area = tmp_path / "areas"
    for left in ("provider-a", "provider-b", "provider-c"):
        (area / left / "output").mkdir(parents=True)
        os.chown(area / left, STRANGER, STRANGER)
        os.chown(area / left / "output", STRANGER, STRANGER)
    os.chown(area, STRANGER, STRANGER)
    (area / "provider-b" / "output" / "roots" / "own").mkdir(parents=True)
    os.chown(area / "provider-a", 0, 0)
    (area / "provider-a").chmod(0o700)

    def use() -> list[str]:
        made = WorkArea(area)
        assert made.path.is_dir()
        made.close()
        return sorted(each.name for each in area.iterdir())

    assert forked(use, uid=STRANGER) == ["provider-a", "provider-b"]


@linux_only
@pytest.mark.parametrize("removed", [True, False])
def test_sweep_between_making_and_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, removed: bool
) -> None:
    """Another provider that sweeps just then has the lock, or has removed the area already."""
    import fcntl

    make, swept = tempfile.mkdtemp, []

    def mkdtemp(**where: Any) -> str:
        path = str(make(**where))
        if not swept:
            swept.append(os.open(path, os.O_RDONLY))
            fcntl.flock(swept[0], fcntl.LOCK_EX)
            if removed:
                os.rmdir(path)
        return path

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    area = WorkArea(tmp_path)
    os.close(swept[0])
    WorkArea(tmp_path).close()
    assert area.path.is_dir()
    area.close()
