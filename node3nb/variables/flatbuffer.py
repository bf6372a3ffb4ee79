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
_SCHEMA_FIELDS, _SCHEMA_METADATA = 1, 2
_NAME, _TYPE_TYPE, _TYPE, _CHILDREN, _METADATA = 0, 2, 3, 5, 6
_TIMEZONE = 1
#: Values of `MessageHeader`, the union.
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
#: Value of `Type`, another union.
_TIMESTAMP = 10


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


def flat(head: bytes, most: int) -> bool:
    """Whether a schema has plain columns only, and no more text when read than where it stands.

    All in a FlatBuffer may be shared: a name of a megabyte by thousands of columns, which PyArrow
    copies for each; columns within columns by each other.

    Parameters
    ----------
    head
        The metadata of a message that PyArrow has accepted.
    most
        Columns it may have.
    """
    try:
        return _flat(head, most)
    except (struct.error, IndexError):
        return False


def _flat(head: bytes, most: int) -> bool:
    (root,) = struct.unpack_from("<I", head, 0)
    schema = _table(head, root, _MESSAGE_HEADER)
    count = _length(head, schema, _SCHEMA_FIELDS)
    if count > most or _length(head, schema, _SCHEMA_METADATA):
        return False
    text = 0
    first = _table(head, schema, _SCHEMA_FIELDS) + 4 if count else 0
    for at in range(first, first + 4 * count, 4):
        (offset,) = struct.unpack_from("<I", head, at)
        field = at + offset
        if _length(head, field, _CHILDREN) or _length(head, field, _METADATA):
            return False
        text += _length(head, field, _NAME)
        told = _field(head, field, _TYPE_TYPE)
        if told and head[told] == _TIMESTAMP:
            text += _length(head, _table(head, field, _TYPE), _TIMEZONE)
    return text <= len(head)


def _length(head: bytes, table: int, number: int) -> int:
    """Return the length of a vector or a text, 0 where there is none."""
    if not _field(head, table, number):
        return 0
    (length,) = struct.unpack_from("<I", head, _table(head, table, number))
    return int(length)


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
