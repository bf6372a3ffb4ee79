"""Small files that would become much, or take long: refused before anything is made of them."""

from __future__ import annotations

import decimal
import itertools
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from node3nb.variables import bundle, flatbuffer
from node3nb.variables.bounds import MAX_FORESEEN, Room, Uncarried

ROOM = 64 << 20
MANY = MAX_FORESEEN + 1


def stream(table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as written:
        written.write_table(table)
    return sink.getvalue().to_pybytes()


def framed(dtypes: list[str], rows: int | None, **more: Any) -> dict[str, Any]:
    """Return the node of a frame of that many rows, or with its last column for an index."""
    count = len(dtypes) - (rows is None)
    node = {
        "columns": [[None], [str(at) for at in range(count)], "object"],
        "index": None if rows is None else [0, rows, 1],
        "levels": [None],
        "dtypes": dtypes,
        "file": "0-1.arrow",
    }
    return {"frame": {**node, **more}}


def refused(directory: Path, tree: object, content: bytes = b"") -> str:
    (directory / "0.json").write_text(json.dumps(tree))
    (directory / "0-1.arrow").write_bytes(content)
    with pytest.raises(Uncarried) as error:
        bundle.read(str(directory), 0, Room(ROOM))
    return str(error.value)


NUMBERS = list(range(MANY))
TOO_MANY = "has more than 20000 keys"


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"dict": [[key, 0] for key in NUMBERS]}, TOO_MANY),
        ({"dict": [[key + 0.5, 0] for key in NUMBERS]}, TOO_MANY),
        ({"dict": [[{"tuple": [key]}, 0] for key in NUMBERS]}, TOO_MANY),
        ({"set": NUMBERS}, TOO_MANY),
        ({"frozenset": NUMBERS}, TOO_MANY),
        ([{"set": NUMBERS[:15_000]}, {"set": NUMBERS[:15_000]}], TOO_MANY),
        ({"set": [{"int": "0x1" + "0" * 300}]}, "a number of more than 1024 bits"),
        ({"dict": [[{"tuple": [10**400]}, 0]]}, "a number of more than 1024 bits"),
        ({"set": [k * (2**61 - 1) for k in range(1, 18)]}, "made to slow its reader down"),
    ],
    ids=range(9),
)
def test_keys_that_can_be_made_to_collide_are_few(tmp_path: Path, tree: object, told: str) -> None:
    assert told in refused(tmp_path, tree)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (dict.fromkeys(NUMBERS), TOO_MANY),
        (set(NUMBERS), TOO_MANY),
        ({2**2000: 0}, "a number of more than 1024 bits"),
        (pd.DataFrame({"a": NUMBERS, "b": NUMBERS, "c": NUMBERS}).set_index(["a", "b"]), TOO_MANY),
        (pd.Series(pd.Categorical([str(each) for each in NUMBERS])), TOO_MANY),
        (pd.Series(pd.Categorical([1, 2])), "a category of something other than texts"),
    ],
    ids=range(6),
)
def test_what_would_not_be_taken_is_not_sent(tmp_path: Path, value: object, told: str) -> None:
    with pytest.raises(Uncarried) as error:
        bundle.write(value, str(tmp_path), 0, Room(ROOM))
    assert told in str(error.value)


def test_texts_for_keys_may_be_many(tmp_path: Path) -> None:
    value = {str(each): each for each in range(100_000)}
    bundle.write(value, str(tmp_path), 0, Room(ROOM))
    assert bundle.read(str(tmp_path), 0, Room(ROOM)) == value


def words(values: list[Any]) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), pa.array(values))


P = 2**61 - 1
DECIMALS = pa.array([decimal.Decimal(P * at) for at in range(MANY)], pa.decimal128(38, 0))
LARGE = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int8()), pa.array(["x" * (1 << 20)]))
BITS = pa.Array.from_buffers(pa.bool_(), 8 << 20, [None, pa.py_buffer(bytes(1 << 20))])
NO_CATEGORY = "a category that is none, or a column made of a category"
TOO_LARGE = "could take more than 256 MiB of memory"
FRAMES: dict[str, tuple[Any, list[str], dict[str, Any], str]] = {
    "decimals as categories": (DECIMALS, ["category"], {}, NO_CATEGORY),
    "numbers as categories": (pa.array(NUMBERS), ["category"], {}, NO_CATEGORY),
    "texts as categories": (pa.array(["a"]), ["category"], {}, NO_CATEGORY),
    "categories of numbers": (words([1, 2]), ["category"], {}, "something other than texts"),
    "many categories": (words([str(at) for at in range(MANY)]), ["category"], {}, TOO_MANY),
    "categories as objects": (LARGE, ["object"], {}, NO_CATEGORY),
    "categories as texts": (LARGE, ["str"], {}, NO_CATEGORY),
    "bits as objects": (BITS, ["object"], {}, TOO_LARGE),
    "bits as texts": (BITS, ["string"], {}, TOO_LARGE),
    "texts as dates": (pa.array(["2nd of May 2020"]), ["datetime64[ns]"], {}, "to be parsed"),
    "texts as numbers": (pa.array(["1"]), ["int64"], {}, "to be parsed"),
    "bytes as numbers": (pa.array([b"1"]), ["float64"], {}, "to be parsed"),
    "decimals as an index": (DECIMALS, ["object"], {"index": None}, TOO_MANY),
    "rows of nothing": (None, [], {"index": [0, 1 << 40, 1]}, TOO_LARGE),
    "labels": (
        pa.array([1]),
        ["int64"],
        {"columns": [[None], ["a"], "category"]},
        "has column names of dtype 'category'",
    ),
    "labels without columns": (
        pa.array([1]),
        ["int64"],
        {"columns": [[None, None], [{"tuple": [at, at]} for at in range(1000)], "object"]},
        "is a table of more or fewer columns than it says",
    ),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_column_becomes_no_more_than_it_may(tmp_path: Path, name: str) -> None:
    column, dtypes, more, told = FRAMES[name]
    table = pa.table({} if column is None else {"0": column})
    rows = None if "index" in more and more["index"] is None else table.num_rows
    assert told in refused(tmp_path, framed(dtypes, rows, **more), stream(table))


def test_an_index_of_several_levels_is_short(tmp_path: Path) -> None:
    table = pa.table({"0": pa.array(NUMBERS), "1": pa.array(NUMBERS)})
    columns = {"columns": [[None], [], "object"], "levels": [None, None], "index": None}
    assert TOO_MANY in refused(tmp_path, framed(["int64", "int64"], 0, **columns), stream(table))


def test_the_name_of_a_column_is_a_name(tmp_path: Path) -> None:
    table = pa.table({"0": pa.array([1])})
    series = {"series": [{"dict": [[0, 1]]}, framed(["int64"], 1)["frame"]]}
    assert refused(tmp_path, series, stream(table)) == "is no true table"


def sharing(columns: int, rows: int) -> bytes:
    """Return the stream of a table whose columns all are the same bytes of its file."""
    whole = stream(pa.table({str(at): pa.array([7], pa.int64()) for at in range(columns)}))
    at = 8 + struct.unpack_from("<i", whole, 4)[0]
    size = struct.unpack_from("<i", whole, at + 4)[0]
    head = bytearray(whole[at + 8 : at + 8 + size])

    def put(old: list[int], new: list[int]) -> None:
        place = head.index(struct.pack(f"<{len(old)}q", *old))
        struct.pack_into(f"<{len(new)}q", head, place, *new)

    body = len(whole) - at - 8 - size - 8
    step = body // columns
    put([1, 0] * columns, [rows, 0] * columns)
    shifts = [(step * each, 0, step * each, 8) for each in range(columns)]
    put([*itertools.chain(*shifts)], [0, 0, 0, 8 * rows] * columns)
    put([body], [8 * rows])
    put([1], [rows])
    return whole[: at + 8] + bytes(head) + bytes(8 * rows) + whole[-8:]


@pytest.mark.parametrize("tree", [{"table": "0-1.arrow"}, framed(["int64"] * 50, 100)])
def test_columns_do_not_share_their_bytes(tmp_path: Path, tree: dict[str, Any]) -> None:
    content = sharing(50, 100)
    assert pa.ipc.open_stream(content).read_all().shape == (100, 50)
    assert "whose columns share their bytes" in refused(tmp_path, tree, content)


def test_names_of_columns_are_not_shared(tmp_path: Path) -> None:
    names = ["x" * 4000, *(str(at) for at in range(10))]
    content = bytearray(stream(pa.table({name: [1] for name in names})))
    (root,) = struct.unpack_from("<I", content, 8)
    head = bytes(content[8 : 8 + struct.unpack_from("<i", content, 4)[0]])
    schema = flatbuffer._table(head, root, 2)
    vector = flatbuffer._table(head, schema, 1)
    fields = [
        at + struct.unpack_from("<I", head, at)[0] for at in range(vector + 4, vector + 48, 4)
    ]
    places = [flatbuffer._field(head, field, 0) for field in fields]
    long = places[0] + struct.unpack_from("<I", head, places[0])[0]
    for place in places:
        if place < long:
            struct.pack_into("<I", content, 8 + place, long - place)
    read = pa.ipc.open_stream(bytes(content)).schema
    assert sum(map(len, read.names)) > len(head)
    assert "columns with names in common" in refused(
        tmp_path, {"table": "0-1.arrow"}, bytes(content)
    )


def test_columns_of_a_stranger_have_no_metadata(tmp_path: Path) -> None:
    field = pa.field("0", pa.int64(), metadata={"a": "b"})
    table = pa.Table.from_arrays([pa.array([1])], schema=pa.schema([field]))
    assert "of columns with" in refused(tmp_path, {"table": "0-1.arrow"}, stream(table))
    bundle.write(table, str(tmp_path), 1, Room(ROOM))
    assert bundle.read(str(tmp_path), 1, Room(ROOM)).equals(table)


def test_batches_are_counted_before_they_are_read(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict({str(at): pa.array([1], pa.int8()) for at in range(1000)})
    content = stream(pa.Table.from_batches([batch] * 600))
    assert TOO_LARGE in refused(tmp_path, {"table": "0-1.arrow"}, content)


def test_the_memory_of_plain_values_is_counted(tmp_path: Path) -> None:
    place, room = str(tmp_path), Room(1 << 20)
    for number in range(4):
        bundle.write([0] * 60_000, place, number, Room(ROOM))
        bundle.read(place, number, room)
    bundle.write([0] * 60_000, place, 4, Room(ROOM))
    with pytest.raises(Uncarried, match="could take more than 4 MiB of memory"):
        bundle.read(place, 4, room)


def test_numpy_is_not_given_a_long_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluated(*_: object) -> None:
        raise AssertionError("a long header has been evaluated")

    monkeypatch.setattr(np.lib.format, "read_array_header_2_0", evaluated)
    header = b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 20) + b"(" * (1 << 20)
    (tmp_path / "0-1.npy").write_bytes(header)
    (tmp_path / "0.json").write_text('{"ndarray": "0-1.npy"}')
    with pytest.raises(Uncarried, match="whose header has more than 10000 bytes"):
        bundle.read(str(tmp_path), 0, Room(ROOM))
    records = np.zeros(1, [(f"a field with a long name {at}", "f8") for at in range(1000)])
    with pytest.raises(Uncarried, match="whose header has more than 10000 bytes"):
        bundle.write(records, str(tmp_path), 1, Room(ROOM))
