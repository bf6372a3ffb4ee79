"""Tables of pandas and PyArrow as Arrow streams and what pandas adds, nothing in them believed.

Travels with the job too: pandas and PyArrow are only imported where a value needs them.
"""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

from .bounds import Room, Uncarried
from .plain import Decoder, Encoder, Put, kind
from .streams import pyarrow, read, write

#: Bytes of memory of a cell that is a number, and of one that is a Python object, beside its text.
_NUMBER, _OBJECT = 8, 96
#: What may hold each cell as an object of its own.
_OBJECTS = frozenset({"object", "string", "str"})
#: What a column is converted to on arrival; each is nothing but a way to hold plain elements.
_DTYPE = re.compile(
    r"(u?int|U?Int)(8|16|32|64)|(float|Float)(16|32|64)|bool|boolean|object|string|str"
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
        bare = arrow.schema([field.remove_metadata() for field in value.schema])
        stream = write(pyarrow(), arrow.Table.from_arrays(value.columns, schema=bare))
        read(pyarrow(), stream, plain.room)
        return {"table": put("arrow", stream)}
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
            return read(pyarrow(), files(told), plain.room)
        if word == "frame":
            return _restored(told, read(pyarrow(), files(told["file"]), plain.room), plain)
        name, frame = told
        whole = _restored(frame, read(pyarrow(), files(frame["file"]), plain.room), plain)
        return _named(whole.iloc[:, 0].copy(), plain.decode(name))
    except Uncarried:
        raise
    except Exception:  # noqa: BLE001 - whatever a stranger's table brings about
        raise Uncarried("is no true table") from None


def _named(column: Any, name: Any) -> Any:
    # Not by `rename`, to which a dictionary is no name but says what to do with the index.
    column.name = name
    return column


def _frame(frame: Any, put: Put, plain: Encoder) -> dict[str, Any]:
    """Write a frame under numbers for names, and see that it comes back the same."""
    arrow, pandas = pyarrow(), sys.modules["pandas"]
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
    stream = write(arrow, table)
    decoder = Decoder(str.encode, _nothing_more, plain.room)
    if not _same(frame, _restored(told, read(arrow, stream, plain.room), decoder)):
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
    pandas, arrow = importlib.import_module("pandas"), pyarrow()
    names, labels, dtype = told["columns"]
    dtypes, spans, room = told["dtypes"], told["index"], plain.room
    count, levels = len(labels), [plain.decode(each) for each in told["levels"]]
    whole = count + (len(levels) if spans is None else 0)
    if not len(dtypes) == whole == table.num_columns:
        raise Uncarried("is a table of more or fewer columns than it says")
    for column, each in zip(table.columns, dtypes):  # noqa: B905 - 3.9
        _count(arrow.types, column, each, room)
    every = [_as_told(pandas, column, dtypes[at]) for at, column in enumerate(table.columns)]
    if spans is None:
        for each, column in zip(every[count:], table.columns[count:]):  # noqa: B905 - 3.9
            if len(levels) != 1 or (each.dtype == object and not _text(arrow.types, column.type)):
                room.foresee(len(each))
        index = _index(pandas, every[count:], levels)
    else:
        index = pandas.RangeIndex(*map(int, spans), name=levels[0])
        room.grow(_NUMBER * len(index))
    if table.num_columns and len(index) != table.num_rows:
        raise Uncarried("is a table whose index is shorter or longer than its columns")
    frame = pandas.DataFrame(dict(enumerate(every[:count])), index=None if count else index)
    # Only now: to align columns by an index, pandas may hash it.
    frame.index = index
    frame.columns = _header(pandas, plain, names, labels, dtype)
    return frame


def _index(pandas: Any, arrays: list[Any], names: list[Any]) -> Any:
    if len(names) == 1:
        return pandas.Index(arrays[0].array, name=names[0])
    return pandas.MultiIndex.from_arrays(arrays, names=names)


def _header(pandas: Any, plain: Decoder, names: Any, labels: Any, dtype: str) -> Any:
    decoded, called = [plain.decode(each) for each in labels], [plain.decode(n) for n in names]
    for _ in called:
        plain.room.foresee(sum(type(each) is not str for each in decoded))
    if len(called) > 1:
        return pandas.MultiIndex.from_tuples(decoded, names=called)
    if not _DTYPE.fullmatch(dtype):
        raise Uncarried(f"has column names of dtype {dtype[:40]!a}")
    return pandas.Index(decoded, dtype=dtype, name=called[0], tupleize_cols=False)


def _count(types: Any, column: Any, dtype: str, room: Room) -> None:
    """Count what a column takes once it is a Series, and refuse what has to be hashed for it."""
    words = types.is_dictionary(column.type)
    if words != (dtype == "category"):
        raise Uncarried("has a category that is none, or a column made of a category")
    if words:
        if not _text(types, column.type.value_type):
            raise Uncarried("has a category of something other than texts")
        each = [chunk.dictionary for chunk in column.chunks]
        room.foresee(sum(map(len, each)))
        room.grow(sum(_OBJECT * len(one) + one.nbytes for one in each))
    apart = types.is_date(column.type) or types.is_time(column.type)
    numbers = types.is_primitive(column.type) and not apart
    if not (words or numbers or dtype in _OBJECTS):
        # Dates in words of no known form take a thousand times longer than numbers.
        raise Uncarried("has a column of texts or objects that would have to be parsed")
    if words or (numbers and dtype not in _OBJECTS):
        room.grow(_NUMBER * len(column))
    else:
        room.grow(_OBJECT * len(column) + column.nbytes)


def _text(types: Any, of: Any) -> bool:
    return bool(types.is_string(of) or types.is_large_string(of))


def _as_told(pandas: Any, values: Any, dtype: str) -> Any:
    if dtype == "object":
        return pandas.Series(values.to_pylist(), dtype=object)
    column = pandas.Series(values.to_pandas())
    if str(column.dtype) == dtype:
        return column
    if not _DTYPE.fullmatch(dtype):
        raise Uncarried(f"has a column of dtype {dtype[:40]!a}, which can't be carried")
    return column.astype(dtype)
