"""Lists as pandas DataFrames, where pandas is."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from node3nb.errors import ConfigError


def data_frame(rows: Sequence[Mapping[str, Any]], times: Iterable[str] = ()) -> Any:
    """Return rows as a DataFrame.

    Parameters
    ----------
    rows
        One mapping a row.
    times
        Columns that hold times as ISO 8601; they become pandas' own, in UTC.

    Raises
    ------
    ConfigError
        pandas is not installed.
    """
    try:
        pandas = importlib.import_module("pandas")
    except ImportError as error:
        raise ConfigError("pandas is not installed; run: %pip install pandas") from error
    frame = pandas.DataFrame([dict(row) for row in rows])
    for name in times:
        if name in frame:
            frame[name] = pandas.to_datetime(frame[name], utc=True, format="ISO8601")
    return frame
