"""What a submitted cell's job reads, as one archive."""

from __future__ import annotations

import tarfile
from pathlib import Path

from node3nb.errors import ConfigError
from node3nb.variables.bundle import PLACE


def pack(source: Path | None, variables: Path | None, archive: Path) -> None:
    """Pack a file, or what is in a directory, and the variables, into a `tar.gz`.

    Raises
    ------
    ConfigError
        Something can't be read.
    """
    try:
        with tarfile.open(archive, "w:gz", compresslevel=3) as packed:
            for path in _entries(source):
                packed.add(path, path.name, filter=_anonymous)
            if variables is not None:
                packed.add(variables / PLACE, PLACE, filter=_anonymous)
    except OSError as error:
        told = f"input: {source} can't be read ({error.strerror}); name a file or a directory."
        raise ConfigError(told) from error


def _entries(source: Path | None) -> list[Path]:
    if source is None:
        return []
    return sorted(source.iterdir()) if source.is_dir() else [source]


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out whose the file is here."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
