"""Tables of pandas and PyArrow as uncompressed Arrow streams and back, nothing in them believed.

Travels with the job too: pandas and PyArrow are only imported where a value needs them.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from typing import Any

from .flatbuffer import compressed
from .plain import Decoder, Encoder, Put, Uncarried, kind

#: Before it, an Arrow stream could have a pickle run (CVE-2023-47248).
_OLDEST_PYARROW = (14, 0, 1)
#: Rows and columns of one table, as far as its bytes allow.
_MAX_COLUMNS = 10_000
#: What a column is converted to on arrival; each is nothing but a way to hold plain elements.
_DTYPE = re.compile(
    r"(u?int|U?Int)(8|16|32|64)|(float|Float)(16|32|64)|bool|boolean|object|string|str|category"
    r"|(datetime64|timedelta64)\[(s|ms|us|ns)(, [A-Za-z0-9_+:/-]{1,64})?\]"
)


def encode(value: object, put: Put, plain: Encoder) -> Any:
    """Return the node of a table or of a column; None for anything else.

    Raises
    ------
    Uncarried
        PyArrow is not there, or what comes back would not be the same.
    """
    pandas, arrow = sys.modules.get("pandas"), sys.modules.get("pyarrow")
    if pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series)):
        if type(value) is pandas.DataFrame:
            return {"frame": _frame(value, put, plain)}
        if type(value) is pandas.Series:
            name = plain.encode(value.name)
            return {"series": [name, _frame(value.to_frame("values"), put, plain)]}
        raise Uncarried(f"holds a {kind(value)}, which can't be carried")
    if arrow is not None and isinstance(value, arrow.Table):
        return {"table": put("arrow", _stream(_pyarrow(), value.replace_schema_metadata(None)))}
    return None


def decode(word: str, told: Any, files: Any, plain: Decoder) -> Any:
    """Return the table that a stranger's node and its file tell of.

    Raises
    ------
    Uncarried
        It is no such table, or needs what is not installed here.
    """
    try:
        if word == "table":
            return _read(_pyarrow(), files(told))
        if word == "frame":
            return _restored(told, _read(_pyarrow(), files(told["file"])), plain)
        name, frame = told
        whole = _restored(frame, _read(_pyarrow(), files(frame["file"])), plain)
        return whole.iloc[:, 0].rename(plain.decode(name))
    except Uncarried:
        raise
    except Exception:  # noqa: BLE001 - whatever a stranger's table brings about
        raise Uncarried("is no true table") from None


def _pyarrow() -> Any:
    try:
        arrow = importlib.import_module("pyarrow")
        importlib.import_module("pyarrow.ipc")
    except ImportError:
        raise Uncarried("is a table, and there is no PyArrow here; install pyarrow") from None
    if tuple(map(int, re.findall(r"\d+", arrow.__version__)[:3])) < _OLDEST_PYARROW:
        raise Uncarried("is a table, and PyArrow here is older than 14.0.1; upgrade pyarrow")
    return arrow


def _frame(frame: Any, put: Put, plain: Encoder) -> dict[str, Any]:
    """Write a frame under numbers for names, and see that it comes back the same."""
    arrow, pandas = _pyarrow(), sys.modules["pandas"]
    index = frame.index
    plain_range = type(index) is pandas.RangeIndex
    levels = [] if plain_range else [index.get_level_values(at) for at in range(index.nlevels)]
    columns = [frame.iloc[:, at] for at in range(frame.shape[1])]
    every = [*columns, *(level.to_series() for level in levels)]
    try:
        arrays = [_column(arrow, each) for each in every]
    except Exception:  # noqa: BLE001 - whatever PyArrow raises for what it does not know
        raise Uncarried("has a column of objects that Arrow has no type for") from None
    table = arrow.Table.from_arrays(arrays, [str(at) for at in range(len(arrays))])
    told: dict[str, Any] = {
        "columns": _labels(frame.columns, plain),
        "index": [index.start, index.stop, index.step] if plain_range else None,
        "levels": [plain.encode(name) for name in index.names],
        "dtypes": [str(each.dtype) for each in every],
    }
    stream = _stream(arrow, table)
    if not _same(frame, _restored(told, _read(arrow, stream), Decoder(str.encode, _nothing_more))):
        raise Uncarried("has columns, or an index, that would not come back the same")
    return {**told, "file": put("arrow", stream)}


def _column(arrow: Any, series: Any) -> Any:
    array = arrow.Array.from_pandas(series.array)
    # A column of nothing is text of nothing: Arrow's own type for it has no bytes to count.
    return array.cast(arrow.string()) if arrow.types.is_null(array.type) else array


def _labels(columns: Any, plain: Encoder) -> Any:
    names = [plain.encode(name) for name in columns.names]
    return [names, [plain.encode(each) for each in columns.tolist()], str(columns.dtype)]


def _same(frame: Any, other: Any) -> bool:
    return bool(
        frame.equals(other)
        and list(map(repr, frame.dtypes)) == list(map(repr, other.dtypes))
        and frame.columns.equals(other.columns)
        and frame.columns.names == other.columns.names
        and frame.index.equals(other.index)
        and frame.index.names == other.index.names
    )


def _nothing_more(word: str, _: Any) -> Any:
    raise Uncarried(f"has {word[:20]!a} for a name")


def _restored(told: dict[str, Any], table: Any, plain: Decoder) -> Any:
    pandas = importlib.import_module("pandas")
    names, labels, dtype = told["columns"]
    dtypes = told["dtypes"]
    if len(dtypes) != table.num_columns:
        raise Uncarried("is a table of more or fewer columns than it says")
    every = [_as_told(pandas, column, dtypes[at]) for at, column in enumerate(table.columns)]
    count, levels = len(labels), [plain.decode(each) for each in told["levels"]]
    if told["index"] is None:
        arrays = every[count:]
        if len(levels) == 1:
            index = pandas.Index(arrays[0].array, name=levels[0])
        else:
            index = pandas.MultiIndex.from_arrays(arrays, names=levels)
    else:
        index = pandas.RangeIndex(*map(int, told["index"]), name=levels[0])
    if table.num_columns and len(index) != table.num_rows:
        raise Uncarried("is a table whose index is shorter or longer than its columns")
    content = {at: column.set_axis(index) for at, column in enumerate(every[:count])}
    frame = pandas.DataFrame(content, index=index)
    frame.columns = _header(pandas, plain, names, labels, dtype)
    return frame


def _header(pandas: Any, plain: Decoder, names: Any, labels: Any, dtype: str) -> Any:
    decoded, called = [plain.decode(each) for each in labels], [plain.decode(n) for n in names]
    if len(called) > 1:
        return pandas.MultiIndex.from_tuples(decoded, names=called)
    if not _DTYPE.fullmatch(dtype):
        raise Uncarried(f"has column names of dtype {dtype[:40]!a}")
    return pandas.Index(decoded, dtype=dtype, name=called[0], tupleize_cols=False)


def _as_told(pandas: Any, values: Any, dtype: str) -> Any:
    if dtype == "object":
        return pandas.Series(values.to_pylist(), dtype=object)
    column = pandas.Series(values.to_pandas())
    if str(column.dtype) == dtype:
        return column
    if not _DTYPE.fullmatch(dtype):
        raise Uncarried(f"has a column of dtype {dtype[:40]!a}, which can't be carried")
    return column.astype(dtype)


def _stream(arrow: Any, table: Any) -> Any:
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


def _read(arrow: Any, content: bytearray | memoryview) -> Any:
    """Return the table of a stream once each of its messages is one that can be read safely."""
    for message in _messages(arrow, content):
        _check(message)
    with arrow.ipc.open_stream(arrow.py_buffer(content)) as stream:
        if len(stream.schema) > _MAX_COLUMNS:
            raise Uncarried(f"is a table of more than {_MAX_COLUMNS} columns")
        for field in stream.schema:
            if not _known(arrow, field.type):
                raise Uncarried("is a table with columns of a type that is not carried")
        table = stream.read_all()
    table.validate(full=True)
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
