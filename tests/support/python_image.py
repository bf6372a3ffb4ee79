"""A Python image made from this machine's own files, because no registry can be reached.

`python python_image.py FILE.tar [MODULE ...]` writes the file system: the running Python, the
modules named with all they need, and a few programs of the system with their libraries.
"""

from __future__ import annotations

import importlib.metadata
import io
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("sh", "env", "cat", "echo", "true", "sleep", "ls", "grep", "id")
#: Parts of a Python that no job needs.
LEFT_OUT = {
    "test", "tests", "idlelib", "site-packages", "ensurepip", "lib2to3", "tkinter", "turtledemo",
}  # fmt: skip
DIRECTORIES = {"tmp": 0o1777, "etc": 0o755, "proc": 0o755, "dev": 0o755, "sys": 0o755}


def write(path: Path, modules: tuple[str, ...] = ()) -> None:
    """Write the image's file system as a tar."""
    with tarfile.open(path, "w") as tar:
        image = _Image(tar)
        image.directories()
        image.python()
        for name in PROGRAMS:
            image.program(shutil.which(name) or f"/bin/{name}", f"usr/bin/{name}")
        for module in modules:
            image.distribution(module)
        image.libraries()


class _Image:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._needed: set[str] = set()
        self._added: set[str] = set()

    def directories(self) -> None:
        for name, mode in DIRECTORIES.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            self._tar.addfile(entry)
        for name in ("bin", "lib", "lib64"):
            self._link(name, f"usr/{name}")

    def python(self) -> None:
        binary = os.path.realpath(sys.executable)
        stdlib = Path(sysconfig.get_path("stdlib"))
        self.program(binary, binary.lstrip("/"))
        self._tar.add(stdlib, str(stdlib).lstrip("/"), filter=_ordinary)
        self._need(*map(str, (stdlib / "lib-dynload").glob("*.so")))
        for name in ("python", "python3"):
            self._link(f"usr/local/bin/{name}", binary)

    def program(self, source: str, target: str) -> None:
        self._tar.add(os.path.realpath(source), target, filter=_ordinary)
        self._need(source)

    def distribution(self, name: str) -> None:
        """Add an installed distribution and all it requires, where Python looks for it."""
        target = f"{str(sysconfig.get_path('stdlib')).lstrip('/')}/site-packages"
        for found in _with_requirements(name):
            for file in found.files or ():
                source = Path(str(found.locate_file(file)))
                parts = file.parts
                if ".." in parts or "tests" in parts or not source.is_file():
                    continue
                if str(source) not in self._added:
                    self._added.add(str(source))
                    self._tar.add(source, f"{target}/{file}", filter=_plain)
                if ".so" in source.name:
                    self._need(str(source))

    def libraries(self) -> None:
        for path in sorted(self._needed):
            target = f"usr{path}" if path.startswith("/lib") else path.lstrip("/")
            if "/site-packages/" not in path:
                self._tar.add(os.path.realpath(path), target, filter=_plain)

    def _need(self, *binaries: str) -> None:
        told = subprocess.run(["ldd", *binaries], capture_output=True, check=False, text=True)
        words = [word for line in told.stdout.splitlines() for word in line.split()]
        self._needed |= {word for word in words if word.startswith("/") and os.path.isfile(word)}

    def _link(self, name: str, target: str) -> None:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(entry, io.BytesIO())


def _with_requirements(name: str) -> Iterator[importlib.metadata.Distribution]:
    queue, seen = [name], set()
    while queue:
        wanted = queue.pop().lower()
        if wanted in seen:
            continue
        seen.add(wanted)
        found = importlib.metadata.distribution(wanted)
        yield found
        for requirement in found.requires or ():
            if "extra ==" not in requirement:
                word = "".join(c if c.isalnum() or c in "-_." else " " for c in requirement)
                queue.append(word.split()[0])


def _ordinary(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = entry.name.split("/")
    if any(part in LEFT_OUT or part.startswith("config-") for part in parts):
        return None
    return _plain(entry)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


if __name__ == "__main__":
    write(Path(sys.argv[1]), tuple(sys.argv[2:]))
