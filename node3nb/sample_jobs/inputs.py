"""Inputs of sample jobs: made by a script when first asked for, kept in `generated/`."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from node3nb.errors import ConfigError
from node3nb.sample_jobs.described import Recipe

#: Longest a script may take to make an input, in seconds.
MAKE_TIMEOUT_S = 120.0


def make_input(directory: Path, recipe: Recipe) -> Path:
    """Return a job's input, made now unless it is there already.

    An input belongs to the exact text of the job's scripts: whoever edits one gets a new
    input.  Several callers may make it at once; each of them returns a complete one.

    Parameters
    ----------
    directory
        The job's directory.
    recipe
        How its input is made.

    Returns
    -------
    Path
        The file that the recipe names.

    Raises
    ------
    ConfigError
        It can't be made; the message says why.
    """
    place = directory / "generated" / _version(directory, recipe)
    if not place.exists():
        try:
            place.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent, prefix="making-") as scratch:
                _publish(_make(directory, recipe, Path(scratch)), place)
        except OSError as error:
            raise ConfigError(f"{directory.name}: its input can't be made: {error}.") from error
    return place / recipe.file


def _version(directory: Path, recipe: Recipe) -> str:
    digest = hashlib.sha256(recipe.model_dump_json().encode())
    for script in sorted(directory.glob("*.py")):
        digest.update(f"\0{script.name}\0".encode() + script.read_bytes())
    return digest.hexdigest()[:16]


def _make(directory: Path, recipe: Recipe, scratch: Path) -> Path:
    raw, ready = scratch / "raw", scratch / "ready"
    raw.mkdir()
    ready.mkdir()
    _run(directory / recipe.make, raw)
    made = sorted(path for path in raw.rglob("*") if path.is_file())
    if recipe.packed:
        _pack(made, raw, ready / recipe.file)
    elif made == [raw / recipe.file]:
        made[0].rename(ready / recipe.file)
    else:
        raise ConfigError(
            f"{directory.name}/{recipe.make}: it must write {recipe.file} and nothing else; "
            "name input.file in job.json like *.tar.gz to have all it writes packed."
        )
    return ready


def _run(script: Path, target: Path) -> None:
    where = f"{script.parent.name}/{script.name}"
    try:
        done = subprocess.run(
            [sys.executable, "-B", str(script.resolve()), str(target.resolve())],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=MAKE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{where}: it takes longer than {MAKE_TIMEOUT_S:g} s.") from None
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise ConfigError(f"{where}: it failed with exit code {done.returncode}: {last}")


def _pack(files: list[Path], root: Path, target: Path) -> None:
    """Write an archive whose bytes depend on names and contents only."""
    with (
        target.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for file in files:
            archive.add(file, file.relative_to(root).as_posix(), filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.mode = 0, 0o644
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _publish(ready: Path, place: Path) -> None:
    """Put a finished input where it belongs; who comes second keeps the first one's."""
    try:
        ready.rename(place)
    except OSError:
        if not place.is_dir():
            raise
