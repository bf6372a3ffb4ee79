"""Archives made as strangers make them, and what becomes of them."""

from __future__ import annotations

import io
import tarfile
import tempfile
import zipfile
from pathlib import Path

from node3nb.errors import InputError
from node3nb.files.archives import ArchiveLimits, unpack

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz", form: str = "pax") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=FORMATS[form]) as archive:  # type: ignore[call-overload]
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def unpacked(
    content: bytes, parent: Path, limits: ArchiveLimits | None = None
) -> dict[str, bytes | None]:
    """Unpack into a fresh directory; return its files by path, directories as None."""
    parent = Path(tempfile.mkdtemp(dir=parent))
    archive, into = parent / "archive", parent / "into"
    archive.write_bytes(content)
    into.mkdir()
    try:
        unpack(archive, into, limits)
    except InputError:
        assert list(into.iterdir()) == []
        raise
    finally:
        assert sorted(path.name for path in parent.iterdir()) == ["archive", "into"]
    return {
        str(path.relative_to(into)): path.read_bytes() if path.is_file() else None
        for path in into.rglob("*")
    }
