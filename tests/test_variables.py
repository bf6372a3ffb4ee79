"""Values that are carried between a notebook and a job: exact, or refused with a sentence."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import sys
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

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters())
    | st.binary()
    | st.dates()
    | st.times()
    | st.datetimes(timezones=st.none() | st.just(dt.UTC))
    | st.timedeltas()
    | st.decimals(allow_nan=False)
)
KEYS = SCALARS | st.tuples(SCALARS, SCALARS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS, inner)
        | st.sets(KEYS)
        | st.frozensets(KEYS)
    ),
    max_leaves=20,
)


def carried(value: object, directory: Path, room: int = MANY) -> Any:
    bundle.write(value, str(directory), 0, Room(room))
    return bundle.read(str(directory), 0, Room(room))


def refusal(value: object, directory: Path) -> str:
    with pytest.raises(Uncarried) as refused:
        bundle.write(value, str(directory), 0, Room(MANY))
    return str(refused.value)


def types(value: object) -> object:
    """Return a value's types, those within it included."""
    if isinstance(value, dict):
        return [type(value), [(types(k), types(v)) for k, v in value.items()]]
    if isinstance(value, (list, tuple)):
        return [type(value), [types(each) for each in value]]
    return type(value)


@settings(deadline=None)
@given(VALUES)
def test_plain_values_come_back_exactly(tmp_path_factory: Any, value: object) -> None:
    back = carried(value, tmp_path_factory.mktemp("v"))
    assert back == value
    assert types(back) == types(value)


@pytest.mark.parametrize(
    "value",
    [
        float("inf"),
        -0.0,
        2**20000,
        "x" * 100_000 + "\ud800",
        b"\0" * 100_000,
        bytearray(b"ab"),
        decimal.Decimal("1.10"),
        dt.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=dt.UTC),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_corners_of_plain_values_come_back_too(tmp_path: Path, value: Any) -> None:
    back = carried(value, tmp_path)
    assert (back, type(back)) == (value, type(value))
    if isinstance(value, float):
        assert math.copysign(1, back) == math.copysign(1, value)
    assert getattr(back, "fold", 0) == getattr(value, "fold", 0)


def test_no_number_comes_back_as_no_number(tmp_path: Path) -> None:
    assert math.isnan(carried(float("nan"), tmp_path))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">i2").reshape(2, 3),
        np.asfortranarray(np.ones((3, 4))),
        np.arange(10)[::3],
        np.array(5),
        np.zeros((0, 3)),
        np.array(["a", "bb"]),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array(["2020-01-01", "NaT"], "M8[D]"),
        np.array([np.nan, np.inf]),
    ],
    ids=str,
)
def test_arrays_come_back_as_they_were(tmp_path: Path, array: Any) -> None:
    back = carried({"deep": [array]}, tmp_path)["deep"][0]
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable


def test_an_element_of_an_array_keeps_its_type(tmp_path: Path) -> None:
    assert type(carried(np.float32(2.5), tmp_path)) is np.float32


FRAMES = {
    "kinds": pd.DataFrame(
        {
            "i": [1, 2],
            "t": ["x", None],
            "f": [1.5, math.nan],
            "d": pd.to_datetime(["2020", "2021"]),
            "c": pd.Categorical(["u", "v"], ordered=True),
            "n": pd.array([1, None], dtype="Int64"),
            "z": pd.date_range("2020", periods=2, tz="Europe/Berlin"),
            "o": pd.Series(["a", None], dtype=object),
        }
    ),
    "index": pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="k")),
    "levels": pd.DataFrame({"a": [1], "b": [2], "c": [3]}).set_index(["a", "b"]),
    "columns": pd.DataFrame({("a", 1): [1], ("b", 2): [2]}),
    "numbers": pd.DataFrame({0: [1], 1: [2]}),
    "twice": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "turned": pd.DataFrame({"a": [1, 2, 3]}).iloc[::-1],
    "empty": pd.DataFrame(),
    "no rows": pd.DataFrame({"a": [1], "c": pd.Categorical(["u"])}).iloc[:0],
}


@pytest.mark.parametrize("name", FRAMES)
def test_tables_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    pd.testing.assert_frame_equal(carried(FRAMES[name], tmp_path), FRAMES[name])


def test_columns_and_arrow_tables_come_back_as_they_were(tmp_path: Path) -> None:
    column = pd.Series([1, 2], name=("a", 1), index=[5, 6])
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    back = carried([column, table], tmp_path)
    pd.testing.assert_series_equal(back[0], column)
    assert back[1].equals(table)


class Odd(list[int]):
    """No plain list."""


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (object(), "can't be carried; carry plain values, arrays or tables"),
        ([Odd()], "Odd, which can't be carried; carry plain"),
        (np.array([object()]), "holds an array of dtype object, which can't be carried"),
        (np.ma.array([1]), "holds a numpy.ma.MaskedArray; make it a plain array"),
        (pd.DataFrame({"o": [object()]}), "has a column of objects that Arrow has no type for"),
        (pd.DataFrame({"p": pd.period_range("2020", periods=2)}), "which can't be carried"),
        (pa.table({"l": [[1]]}), "has a column of Arrow's type list<"),
        (1 << (1 << 19), "holds a number of more than 65536 hexadecimal digits"),
        ([[]] * 1_100_000, "has more than 1000000 parts; carry it as an array or a table"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else type(value).__name__,
)
def test_what_would_not_be_the_same_is_not_carried(
    tmp_path: Path, value: object, told: str
) -> None:
    assert told in refusal(value, tmp_path)


def test_there_is_room_for_so_much_and_no_more(tmp_path: Path) -> None:
    bundle.write([bytes(1 << 20), bytes(1 << 20)], str(tmp_path), 0, Room((2 << 20) + 1000))
    assert bundle.read(str(tmp_path), 0, Room((2 << 20) + 1000)) == [bytes(1 << 20)] * 2
    with pytest.raises(Uncarried, match="does not fit into the 2 MiB that may be carried"):
        bundle.read(str(tmp_path), 0, Room(2 << 20))
    with pytest.raises(Uncarried, match="does not fit into the 2 MiB that may be carried"):
        bundle.write(np.zeros(3 << 20, "u1"), str(tmp_path), 1, Room(2 << 20))


@pytest.mark.parametrize("missing", ["pyarrow", "numpy"])
def test_what_is_not_installed_is_named(
    tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = pd.DataFrame({"a": [1]}) if missing == "pyarrow" else np.arange(3)
    bundle.write(value, str(tmp_path), 0, Room(MANY))
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(Uncarried, match=f"there is no .* here; install {missing}"):
        bundle.read(str(tmp_path), 0, Room(MANY))
    if missing == "pyarrow":
        assert refusal(value, tmp_path).endswith("there is no PyArrow here; install pyarrow")
