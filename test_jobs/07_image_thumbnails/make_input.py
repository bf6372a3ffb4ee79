"""Draw pictures of several modes, shapes and formats, and one file that is no picture."""

import sys
from pathlib import Path

from PIL import Image, ImageDraw

target = Path(sys.argv[1])


def ramp(width: int, height: int) -> Image.Image:
    """Return a grey ramp from black on the left to white on the right."""
    row = bytes(255 * x // (width - 1) for x in range(width))
    return Image.frombytes("L", (width, height), row * height)


def flag(width: int, height: int) -> Image.Image:
    """Return three stripes of plain colour."""
    picture = Image.new("RGB", (width, height), (200, 16, 46))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, height // 3, width, 2 * height // 3 - 1), fill=(255, 255, 255))
    draw.rectangle((0, 2 * height // 3, width, height), fill=(0, 61, 165))
    return picture


def colours(width: int, height: int) -> Image.Image:
    """Return red growing to the right, green downwards and blue against red."""
    red = ramp(width, height)
    green = ramp(height, width).transpose(Image.Transpose.ROTATE_270)
    return Image.merge("RGB", (red, green, red.point(lambda value: 255 - value)))


def chessboard(side: int, squares: int) -> Image.Image:
    """Return a board of two colours of a palette."""
    board = Image.new("P", (side, side))
    board.putpalette([240, 217, 181, 181, 136, 99])
    draw, step = ImageDraw.Draw(board), side // squares
    for row in range(squares):
        for column in range(row % 2, squares, 2):
            corner = (column * step, row * step)
            draw.rectangle((*corner, corner[0] + step - 1, corner[1] + step - 1), fill=1)
    return board


ramp(640, 200).save(target / "ramp.png")
flag(600, 420).save(target / "flag.bmp")
colours(480, 640).save(target / "colours.png")
chessboard(512, 8).save(target / "board.gif")
glass = flag(300, 300)
glass.putalpha(ramp(300, 300))
glass.save(target / "glass.png")
flag(40, 30).save(target / "tiny.png")
(target / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nthis is no picture")
