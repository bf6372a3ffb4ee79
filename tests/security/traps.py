"""What became of the traps: the output directory is collected as it would be for a submitter."""

from __future__ import annotations

import tempfile
import unicodedata
import zlib
from pathlib import Path

from node3nb.files.collector import CollectLimits, collect
from node3nb.jobs import MIB

#: More than all the traps would hold if they were what they seem.
LIMITS = CollectLimits(bytes=64 * MIB)
#: Traps that must not be kept at all, by the name they have in the output directory.
NEVER_KEPT = (
    "trap_link",
    "trap_directory",
    "trap_hard_link",
    "trap_pipe",
    "trap_device",
    "trap_hole",
)


def judge(output: Path, secret: str) -> dict[str, bool]:
    """Return for each trap whether somebody was caught in it."""
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place) / "outputs.tar.gz"
        kept = [file.path for file in collect(output, LIMITS, archive).files]
        leaked = secret.encode() in zlib.decompress(archive.read_bytes(), wbits=31)
    caught = {name: leaked or any(path.startswith(name) for path in kept) for name in NEVER_KEPT}
    return caught | {
        "trap_names": any(_hostile(path) for path in kept),
        "trap_output_directory": leaked or "id_ed25519" in kept,
    }


def _hostile(path: str) -> bool:
    return any(unicodedata.category(char) in {"Cc", "Cs"} or char in ":\\" for char in path)
