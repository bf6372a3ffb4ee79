"""Make a thumbnail and a colour histogram of every picture; name the files that are none."""

import json
import os
import sys
from pathlib import Path

from PIL import Image, UnidentifiedImageError

LONGEST_SIDE = 128
BINS = 8

source = Path(os.environ["INPUT_DIR"])
output = Path(os.environ["OUTPUT_DIR"])


def histogram(picture: Image.Image) -> dict[str, list[int]]:
    """Count the pixels of each channel in equal ranges of brightness, darkest first."""
    counts = picture.histogram()
    width = 256 // BINS
    sums = [sum(counts[start : start + width]) for start in range(0, len(counts), width)]
    return {
        band: sums[index * BINS : (index + 1) * BINS]
        for index, band in enumerate(picture.getbands())
    }


def describe(path: Path) -> dict[str, object]:
    with Image.open(path) as opened:
        mode, picture = opened.mode, opened.convert("RGB")
    facts = {"mode": mode, "size": picture.size, "histogram": histogram(picture)}
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    picture.save(output / "thumbnails" / f"{path.stem}.png")
    return {**facts, "thumbnail": picture.size}


(output / "thumbnails").mkdir()
pictures, unreadable = {}, []
for path in sorted(source.iterdir()):
    try:
        pictures[path.name] = describe(path)
    except (UnidentifiedImageError, OSError):
        unreadable.append(path.name)
        print(f"{path.name} is no picture that can be read; left out", file=sys.stderr)

found = {"pictures": pictures, "unreadable": unreadable}
(output / "histograms.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
print(f"{len(pictures)} thumbnails, {len(unreadable)} unreadable")
