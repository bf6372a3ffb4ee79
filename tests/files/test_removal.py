"""Removal of what a job left, however it tried to stay."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from node3nb.files.removal import empty_directory, remove_tree


def nest(directory: Path, name: str, depth: int) -> None:
    """Make directories deeper than any path may be long."""
    descriptor = os.open(directory, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(os.open("leaf", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)


def test_a_missing_tree_is_no_error(tmp_path: Path) -> None:
    remove_tree(tmp_path / "none")
    remove_tree(tmp_path / "none" / "none")


def test_a_tree_is_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "a" / "b").mkdir(parents=True)
    outside.mkdir()
    (outside / "kept").touch()
    (root / "link").symlink_to(outside)
    (root / "a" / "link").symlink_to(outside / "kept")
    (root / "a" / "loop").symlink_to("loop")
    os.link(outside / "kept", root / "a" / "b" / "hard")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.relpath(root / "sock"))
    remove_tree(root)
    assert not root.exists()
    assert (outside / "kept").exists()


def test_a_link_is_no_tree(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").touch()
    (tmp_path / "root").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match=r".+"):
        remove_tree(tmp_path / "root")
    assert (tmp_path / "outside" / "kept").exists()


def test_deep_trees_are_removed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    nest(root, "d", 6000)
    nest(root, "x" * 255, 50)
    remove_tree(root)
    assert not root.exists()


def test_names_a_job_chose_are_not_in_the_way(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for number in range(20):
        (root / f".removed-{number}" / f".removed-{number}" / "full").mkdir(parents=True)
        (root / "d" / f".removed-{number}" / "full").mkdir(parents=True)
    (root / b"\xff\n".decode("utf-8", "surrogateescape")).mkdir()
    (root / "-rf").touch()
    remove_tree(root)
    assert not root.exists()


def test_modes_are_no_obstacle(tmp_path: Path) -> None:
    """As root the modes stop nobody; the test then shows only that they do no harm."""
    root = tmp_path / "root"
    (root / "a" / "b" / "c").mkdir(parents=True)
    (root / "a" / "b" / "c" / "file").touch(mode=0)
    for path in ("a/b/c", "a/b", "a", "."):
        (root / path).chmod(0)
    remove_tree(root)
    assert not root.exists()


def test_many_files_are_removed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for directory in (root / "a", root / "b"):
        directory.mkdir(parents=True)
        for number in range(1500):
            (directory / str(number)).touch()
    remove_tree(root)
    assert not root.exists()


def test_a_directory_is_emptied_and_stays(tmp_path: Path) -> None:
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    empty_directory(tmp_path / "root")
    assert list((tmp_path / "root").iterdir()) == []
    assert stat.S_ISDIR((tmp_path / "root").stat().st_mode)


def test_the_modules_import_where_the_calls_are_missing() -> None:
    """Windows lacks these; there a container engine or a message takes over."""
    hidden = ("O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY", "fchmod")
    modules = "node3nb.transfers.transfer, node3nb.files.collector"
    code = f"import os; [delattr(os, name) for name in {hidden}]; import {modules}"
    subprocess.run((sys.executable, "-c", code), check=True)
