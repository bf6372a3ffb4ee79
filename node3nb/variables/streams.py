"""Uncompressed Arrow streams that nobody has vouched for, as tables that are no more than they are.

Travels with the job too: PyArrow is only imported where a value needs it.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

from .bounds import Room, Uncarried
from .flatbuffer import compressed, flat

#: Before it, an Arrow stream could have a pickle run (CVE-2023-47248).
_OLDEST_PYARROW = (14, 0, 1)
#: Columns of one table, as far as its bytes allow.
_MAX_COLUMNS = 10_000
#: Bytes of memory that one column of one batch takes before its content.
_PIECE = 512


def pyarrow() -> Any:
    """Return the module.

    Raises
    ------
    Uncarried
        It is not there, or too old.
    """
    try:
        arrow = importlib.import_module("pyarrow")
        importlib.import_module("pyarrow.ipc")
    except ImportError:
        raise Uncarried("is a table, and there is no PyArrow here; install pyarrow") from None
    if tuple(map(int, re.findall(r"\d+", arrow.__version__)[:3])) < _OLDEST_PYARROW:
        raise Uncarried("is a table, and PyArrow here is older than 14.0.1; upgrade pyarrow")
    return arrow


def write(arrow: Any, table: Any) -> Any:
    """Return the stream of a table.

    Raises
    ------
    Uncarried
        It has a column of a type that is not carried.
    """
    for field in table.schema:
        if not _known(arrow, field.type):
            told = f"has a column of Arrow's type {field.type}, which can't be carried"
            raise Uncarried(told)
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
        if not table.num_rows:
            # A stream without a batch forgets the categories of its columns.
            chunks = [c.chunk(0) if c.num_chunks else [] for c in table.columns]
            stream.write_batch(arrow.RecordBatch.from_arrays(chunks, schema=table.schema))
    return memoryview(sink.getvalue())


def read(arrow: Any, content: bytearray | memoryview, room: Room) -> Any:
    """Return the table of a stream once each of its messages is one that can be read safely.

    Raises
    ------
    Uncarried
        One is not, or the table would be more than the stream.
    """
    count = 0
    for message in _messages(arrow, content):
        _check(message)
        count += 1
    with arrow.ipc.open_stream(arrow.py_buffer(content)) as stream:
        for field in stream.schema:
            if not _known(arrow, field.type):
                raise Uncarried("is a table with columns of a type that is not carried")
        room.grow(_PIECE * count * len(stream.schema))
        table = stream.read_all()
    table.validate(full=True)
    chunks = (chunk for column in table.columns for chunk in column.chunks)
    buffers = (each for chunk in chunks for each in chunk.buffers() if each is not None)
    if sum(each.size for each in buffers) > len(content):
        raise Uncarried("is a table whose columns share their bytes, and so are more than its file")
    return table.replace_schema_metadata(None)


def _messages(arrow: Any, content: bytearray | memoryview) -> Iterator[Any]:
    reader = arrow.ipc.MessageReader.open_stream(arrow.py_buffer(content))
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


def _check(message: Any) -> None:
    head = message.metadata.to_pybytes()
    if message.type == "schema":
        # Whatever the notebook has registered under such a name would read it, maybe by pickle.
        if b"ARROW:extension" in head:
            raise Uncarried("is a table with columns of a type of somebody's own")
        if not flat(head, _MAX_COLUMNS):
            told = f"is a table of more than {_MAX_COLUMNS} columns, of columns within columns"
            raise Uncarried(f"{told}, or of columns with names in common or metadata")
    elif message.type not in {"record batch", "dictionary"} or compressed(head):
        raise Uncarried("is a table that is packed, and may unpack to any size")


def _known(arrow: Any, of: Any) -> bool:
    types = arrow.types
    if types.is_dictionary(of):
        return not types.is_dictionary(of.value_type) and _known(arrow, of.value_type)
    return any(
        known(of)
        for known in (
            types.is_boolean,
            types.is_integer,
            types.is_floating,
            types.is_decimal,
            types.is_date,
            types.is_time,
            types.is_timestamp,
            types.is_duration,
            types.is_string,
            types.is_large_string,
            types.is_binary,
            types.is_large_binary,
        )
    )
