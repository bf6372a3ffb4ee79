"""What the head of an Arrow message says of its body, read where it stands.

PyArrow unpacks a compressed body at once, to whatever size it claims, and has no way to ask first.
The layout is that of FlatBuffers (flatbuffers.dev, "FlatBuffer Internals") with the tables of
Arrow's `format/Message.fbs`, version 5 of the metadata.
"""

from __future__ import annotations

import struct

#: Places of fields in their tables, in the order `Message.fbs` declares them.
_MESSAGE_HEADER_TYPE, _MESSAGE_HEADER = 1, 2
_DICTIONARY_DATA = 1
_BATCH_COMPRESSION = 3
#: Values of `MessageHeader`, the union.
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3


def compressed(head: bytes) -> bool:
    """Whether the body of a batch is, or may be, compressed.

    Parameters
    ----------
    head
        The metadata of a message that PyArrow has accepted.
    """
    try:
        return _compressed(head)
    except (struct.error, IndexError):
        return True


def _compressed(head: bytes) -> bool:
    (root,) = struct.unpack_from("<I", head, 0)
    at = _field(head, root, _MESSAGE_HEADER_TYPE)
    told = head[at] if at else 0
    batch = _table(head, root, _MESSAGE_HEADER)
    if told == _DICTIONARY_BATCH:
        batch = _table(head, batch, _DICTIONARY_DATA)
    elif told != _RECORD_BATCH:
        return True
    return _field(head, batch, _BATCH_COMPRESSION) != 0


def _field(head: bytes, table: int, number: int) -> int:
    """Return where a field of a table is; 0 where the table has none."""
    (back,) = struct.unpack_from("<i", head, table)
    vtable = table - back
    (size,) = struct.unpack_from("<H", head, vtable)
    place = 4 + 2 * number
    if place + 2 > size:
        return 0
    (offset,) = struct.unpack_from("<H", head, vtable + place)
    return table + offset if offset else 0


def _table(head: bytes, table: int, number: int) -> int:
    """Return where the table is that a field of a table leads to."""
    at = _field(head, table, number)
    if not at:
        raise IndexError(number)
    (offset,) = struct.unpack_from("<I", head, at)
    return int(at + offset)
