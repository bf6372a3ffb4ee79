"""Values in a directory, one `NUMBER.json` each with the files beside it that it names.

Travels with the job too: only the standard library.
"""

from __future__ import annotations

import functools
import json
import os
import stat
from typing import Any

from . import arrays, tables
from .bounds import Room, Uncarried
from .plain import Decoder, Encoder

#: Bytes of the text of one value; what is larger belongs into arrays, tables or long strings.
MAX_JSON_BYTES = 32 << 20
#: Brackets in it: even a list of nothing takes seventy bytes.
MAX_BRACKETS = 4_000_000
#: Bytes of memory that one of it may take: an empty list has three, and then up to 64.
_MEMORY_PER_BYTE = 8
#: Directory below the input, or the output, in which the files lie.
PLACE = ".node3"

#: Never through a link, never waiting for a pipe (open(2)).
_STRANGERS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_ARRAYS = frozenset({"ndarray", "scalar"})
_TABLES = frozenset({"table", "frame", "series"})


def write(value: object, directory: str, number: int, room: Room) -> None:
    """Write one value.

    Raises
    ------
    Uncarried
        It can't be carried.
    """
    count = 0

    def put(ending: str, content: Any) -> str:
        nonlocal count
        count += 1
        name = f"{number}-{count}.{ending}"
        room.take(len(content))
        with open(os.path.join(directory, name), "xb") as file:
            file.write(content)
        return name

    def more(other: object) -> Any:
        node = arrays.encode(other, put)
        return tables.encode(other, put, encoder) if node is None else node

    encoder = Encoder(put, more, room)
    tree = encoder.encode(value)
    text = json.dumps(tree, allow_nan=False, separators=(",", ":")).encode()
    if len(text) > MAX_JSON_BYTES or _brackets(text) > MAX_BRACKETS:
        told = f"is more than {MAX_JSON_BYTES >> 20} MiB of plain values; carry it as an array"
        raise Uncarried(told)
    room.take(len(text))
    room.grow(_MEMORY_PER_BYTE * len(text))
    with open(os.path.join(directory, f"{number}.json"), "xb") as file:
        file.write(text)


def read(directory: str, number: int, room: Room) -> Any:
    """Return one value that a stranger may have written.

    Raises
    ------
    Uncarried
        It can't be taken from there.
    """
    get = functools.partial(_content, directory, room)

    def more(word: str, told: Any) -> Any:
        if word in _ARRAYS:
            return arrays.decode(word, get(told))
        if word in _TABLES:
            return tables.decode(word, told, get, decoder)
        raise Uncarried(f"holds an unknown {word[:20]!a}")

    decoder = Decoder(get, more, room)
    text = get(f"{number}.json", MAX_JSON_BYTES)
    if _brackets(text) > MAX_BRACKETS:
        raise Uncarried("has more parts than may be carried")
    room.grow(_MEMORY_PER_BYTE * len(text))
    try:
        tree = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Uncarried("is no true JSON") from None
    return decoder.decode(tree)


def _brackets(text: bytes | bytearray) -> int:
    return text.count(b"[") + text.count(b"{")


def _no_constant(word: str) -> Any:
    raise ValueError(word)


def _content(directory: str, room: Room, name: Any, most: int | None = None) -> bytearray:
    """Return what a regular file holds; anything else in its place is refused."""
    if not isinstance(name, str) or name != os.path.basename(name) or name.startswith("."):
        raise Uncarried("names a file that is not its own")
    try:
        descriptor = _open(directory, name)
    except (OSError, ValueError):
        raise Uncarried("is not there, or is no plain file") from None
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink > 1:
        os.close(descriptor)
        raise Uncarried("is no plain file, or has a second name")
    with open(descriptor, "rb") as file:
        size = facts.st_size
        if most is not None and size > most:
            raise Uncarried(f"is more than {most >> 20} MiB of plain values")
        room.take(size)
        content = bytearray(size)
        if file.readinto(content) != size:
            raise Uncarried("is shorter than it says")
        return content


def _open(directory: str, name: str) -> int:
    """Open a file for reading; neither it nor its directory may be a link."""
    if os.open not in os.supports_dir_fd:
        return os.open(os.path.join(directory, name), _STRANGERS)
    place = os.open(directory, _STRANGERS | os.O_DIRECTORY)
    try:
        return os.open(name, _STRANGERS, dir_fd=place)
    finally:
        os.close(place)
