"""One job's directory, from its making to its removal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from node3nb.jobs import JobSpec
from node3nb.removal import remove_tree


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where one job's files lie.

    Attributes
    ----------
    root
        The directory that holds the others and goes with them; mode 0700.
    """

    root: Path

    @property
    def input(self) -> Path:
        """What the job reads."""
        return self.root / "input"

    @property
    def output(self) -> Path:
        """What the job leaves for its submitter."""
        return self.root / "output"

    @property
    def job(self) -> Path:
        """The job's working and home directory."""
        return self.root / "job"

    @property
    def tmp(self) -> Path:
        """The job's temporary directory."""
        return self.root / "tmp"

    @property
    def log(self) -> Path:
        """What the job printed; written by the supervisor only."""
        return self.root / "log"

    def write_files(self, spec: JobSpec) -> None:
        """Put the job's own small files into its working directory."""
        for name, text in spec.files.items():
            (self.job / name).write_text(text, encoding="utf-8", newline="")


def create(parent: Path, name: str) -> Workspace:
    """Make an empty workspace below `parent`.

    Raises
    ------
    FileExistsError
        Another job's workspace of that name is still there.
    """
    root = parent / name
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    root.mkdir(mode=0o700)
    workspace = Workspace(root)
    for directory in ("input", "output", "job", "tmp", "log"):
        os.mkdir(root / directory, mode=0o700)
    return workspace


@contextlib.contextmanager
def temporary(parent: Path, name: str) -> Iterator[Workspace]:
    """Make a workspace and remove it, whatever the job left in it, at the end."""
    try:
        yield create(parent, name)
    finally:
        remove_tree(parent / name)
