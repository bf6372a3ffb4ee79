"""What a job may write in the place of a value: whatever it is, there is a sentence and no harm."""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node3nb.variables import bundle
from node3nb.variables.bundle import Room, Uncarried

MANY = 1 << 30


def hostile(tree: object, directory: Path, **files: bytes) -> str:
    """Return what is said of a tree, and of files beside it, that a stranger wrote."""
    text = tree if isinstance(tree, str) else json.dumps(tree)
    (directory / "0.json").write_text(text)
    for name, content in files.items():
        (directory / name.replace("_", ".")).write_bytes(content)
    with pytest.raises(Uncarried) as refused:
        bundle.read(str(directory), 0, Room(MANY))
    return str(refused.value)


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ("[" * 200_000, "is no true JSON"),
        ("{", "is no true JSON"),
        ("NaN", "is no true JSON"),
        ("9" * 5000, "is no true JSON"),
        ([[[[]]]] * 500_000, "parts"),
        ("[" + "[" * 70 + "]" * 70 + "]", "has more than 64 levels"),
        ({}, "is not written as node3nb writes it"),
        ({"a": 1, "b": 2}, "is not written as node3nb writes it"),
        ({"pickle": "gASV"}, "holds an unknown 'pickle'"),
        ({"\x1b[2J": 1}, "holds an unknown '\\x1b[2J'"),
        ({"int": "0x" + "f" * (1 << 20)}, "holds no true 'int'"),
        ({"int": 1}, "holds no true 'int'"),
        ({"decimal": "9" * (1 << 20)}, "holds no true 'decimal'"),
        ({"timedelta": [10**12, 0, 0]}, "holds no true 'timedelta'"),
        ({"date": "0000-00-00"}, "holds no true 'date'"),
        ({"bytes": "?"}, "holds no true 'bytes'"),
        ({"dict": [[[], 1]]}, "holds no true 'dict'"),
        ({"dict": 5}, "holds no true 'dict'"),
        ({"set": [[1]]}, "holds no true 'set'"),
        ({"set": [k * (2**61 - 1) for k in range(200)]}, "made to slow its reader down"),
        ({"dict": [[{"int": hex(k * (2**61 - 1))}, 0] for k in range(200)]}, "slow its reader"),
        ({"text": "../../etc/passwd"}, "names a file that is not its own"),
        ({"text": "/etc/passwd"}, "names a file that is not its own"),
        ({"text": "\0"}, "is not there, or is no plain file"),
        ({"text": 7}, "names a file that is not its own"),
        ({"text": "absent"}, "is not there, or is no plain file"),
        ({"ndarray": "0.json"}, "is no true NumPy file"),
        ({"frame": 5}, "is no true table"),
        ({"frame": {"file": "0.json"}}, "is no true table"),
        ({"series": []}, "is no true table"),
        ({"table": "0.json"}, "is no true table"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_hostile_json_gets_a_sentence(tmp_path: Path, tree: object, told: str) -> None:
    assert told in hostile(tree, tmp_path)


NODES = (
    *("tuple", "set", "frozenset", "dict", "int", "float", "complex", "text", "bytes", "bytearray"),
    *("decimal", "datetime", "time", "date", "timedelta", "ndarray", "scalar", "table", "frame"),
    *("series", "file"),
)
WORDS = st.sampled_from(NODES)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("0.json"),
    lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner, max_size=2),
)


@settings(deadline=None)
@given(TREES)
def test_any_json_is_a_value_or_refused(tmp_path_factory: Any, tree: object) -> None:
    place = tmp_path_factory.mktemp("v")
    (place / "0.json").write_text(json.dumps(tree))
    with contextlib.suppress(Uncarried):
        bundle.read(str(place), 0, Room(MANY))


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    place = tmp_path / "p"
    place.mkdir()
    (tmp_path / "key").write_text('"secret"')
    for trick in (os.symlink, os.link, lambda _, at: os.mkfifo(at), lambda _, at: os.mkdir(at)):
        trick(str(tmp_path / "key"), str(place / "0.json"))
        with pytest.raises(Uncarried, match="is no plain file"):
            bundle.read(str(place), 0, Room(MANY))
        path = place / "0.json"
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    (place / "0.json").touch()
    os.truncate(place / "0.json", 1 << 40)
    with pytest.raises(Uncarried, match="is more than 32 MiB of plain values"):
        bundle.read(str(place), 0, Room(MANY))
    (tmp_path / "link").symlink_to(place)
    with pytest.raises(Uncarried, match="is not there"):
        bundle.read(str(tmp_path / "link"), 0, Room(MANY))


def npy(header: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode() + b"\n"
    size = struct.pack("<H" if version == b"\x01\x00" else "<I", len(text))
    return b"\x93NUMPY" + version + size + text + body


def pickled() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{}], dtype=object), allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1 << 40,)}"), "no true NumPy"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,)}"), "shorter"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", bytes(9)), "longer"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -8)}", bytes(64)), "possible"),
        (
            npy("{'descr': '|V0', 'fortran_order': False, 'shape': (9999999,)}"),
            "objects|elements",
        ),
        (
            npy("{'descr': '<U0', 'fortran_order': False, 'shape': (9999999,)}"),
            "objects|elements",
        ),
        (npy("{'descr': ('<f8', (99999999,)), 'fortran_order': False, 'shape': ()}"), "objects"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", bytes(8)), "unpickled"),
        (npy("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': ()}"), "unpickled"),
        (npy("__import__('os').abort()"), "no true NumPy"),
        (npy("(" * 9000), "no true NumPy"),
        (npy(" " * 20000), "header has more than 10000 bytes"),
        (npy("{}", version=b"\x03\x00"), "version 3.0"),
        (npy("{}", version=b"\x02\x00"), "no true NumPy"),
        (pickled(), "unpickled"),
        (b"\x93NUMPY", "no true NumPy"),
        (b"PK\x03\x04", "no true NumPy"),
    ],
    ids=range(17),
)
def test_hostile_arrays_get_a_sentence(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    (tmp_path / "0.json").write_text('{"ndarray": "a.npy"}')
    with pytest.raises(Uncarried, match=told):
        bundle.read(str(tmp_path), 0, Room(MANY))


def stream(table: Any, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as written:
        written.write_table(table)
    return sink.getvalue().to_pybytes()


class Registered(pa.ExtensionType):
    """A type that would read what a stranger wrote."""

    def __init__(self) -> None:
        super().__init__(pa.int64(), "node3nb.test")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, *_: object) -> Registered:
        raise AssertionError("a stranger's metadata has been read")


def own_type() -> bytes:
    metadata = {"ARROW:extension:name": "node3nb.test", "ARROW:extension:metadata": ""}
    field = pa.field("a", pa.int64(), metadata=metadata)
    return stream(pa.Table.from_arrays([pa.array([1])], schema=pa.schema([field])))


DICTIONARY = pa.table({"a": pa.array(["x" * 9000] * 3).dictionary_encode()})
TABLES = {
    "compressed": (stream(pa.table({"a": np.zeros(100_000)}), "zstd"), "may unpack to any size"),
    "compressed words": (stream(DICTIONARY, "lz4"), "may unpack to any size"),
    "nothing": (stream(pa.table({"a": pa.nulls((1 << 31) - 1)})), "of a type that is not carried"),
    "lists": (stream(pa.table({"a": [[1]]})), "columns within columns"),
    "runs": (
        stream(pa.table({"a": pa.RunEndEncodedArray.from_arrays([1 << 30], [1])})),
        "columns within columns",
    ),
    "own type": (own_type(), "of a type of somebody's own"),
    "cut short": (stream(pa.table({"a": np.zeros(1000)}))[:-4000], "no true table"),
    "noise": (b"\xff" * 1000, "no true table"),
    "none": (b"", "no true table"),
    "columns": (
        stream(pa.table({str(number): [1] for number in range(10_001)})),
        "a table of more than 10000 columns",
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_hostile_tables_get_a_sentence(tmp_path: Path, name: str) -> None:
    content, told = TABLES[name]
    pa.register_extension_type(Registered())
    try:
        (tmp_path / "a.arrow").write_bytes(content)
        (tmp_path / "0.json").write_text('{"table": "a.arrow"}')
        with pytest.raises(Uncarried, match=told):
            bundle.read(str(tmp_path), 0, Room(MANY))
    finally:
        pa.unregister_extension_type("node3nb.test")


@pytest.mark.parametrize("dtype", ["period[D]", "interval[int64]", "__import__('os')", 5, None])
def test_a_frame_takes_no_type_a_stranger_names(tmp_path: Path, dtype: object) -> None:
    bundle.write(pd.DataFrame({"a": [1]}), str(tmp_path), 0, Room(MANY))
    tree = json.loads((tmp_path / "0.json").read_text())
    tree["frame"]["dtypes"] = [dtype]
    (tmp_path / "0.json").write_text(json.dumps(tree))
    with pytest.raises(Uncarried, match=r"of dtype .* can't be carried|no true table"):
        bundle.read(str(tmp_path), 0, Room(MANY))


@settings(deadline=None)
@given(st.data())
def test_a_frame_that_a_stranger_has_changed_is_a_frame_or_refused(
    tmp_path_factory: Any, data: st.DataObject
) -> None:
    place = tmp_path_factory.mktemp("v")
    bundle.write(
        pd.DataFrame({"a": [1], "b": ["x"]}, index=pd.Index(["k"], name="i")),
        str(place),
        0,
        Room(MANY),
    )
    (path,) = place.glob("*.arrow")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        back = bundle.read(str(place), 0, Room(MANY))
    except Uncarried:
        return
    assert len(repr(back)) < 100_000
