"""Lists that a notebook shows as tables, and that become DataFrames where pandas is."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self, TypeVar, overload

from node3nb.errors import ConfigError
from node3nb.notebook import page

#: Rows shown; the list itself has all.
SHOWN = 50

_Item = TypeVar("_Item")


class Listing(Sequence[_Item]):
    """Things at one moment, newest first."""

    #: Heads of the columns.
    heads: ClassVar[tuple[str, ...]]
    #: What one of them is called.
    noun: ClassVar[str]
    #: What is said when there is none.
    none: ClassVar[str]
    #: Fields that hold times as ISO 8601.
    times: ClassVar[tuple[str, ...]]

    def __init__(self, items: Sequence[_Item] = ()) -> None:
        self._items: Sequence[_Item] = tuple(items)

    @staticmethod
    @abstractmethod
    def row(item: _Item) -> tuple[str, ...]:
        """Return what the columns say of one."""

    @staticmethod
    @abstractmethod
    def fields(item: _Item) -> dict[str, Any]:
        """Return one as plain data."""

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[_Item]:
        return iter(tuple(self._items))

    @overload
    def __getitem__(self, index: int) -> _Item: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> _Item | Self:
        items = tuple(self._items)
        return type(self)(items[index]) if isinstance(index, slice) else items[index]

    def to_pandas(self) -> Any:
        """Return them as a pandas DataFrame, one row each; times are pandas' own, in UTC.

        Raises
        ------
        ConfigError
            pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ImportError as error:
            raise ConfigError("pandas is not installed; run: %pip install pandas") from error
        frame = pandas.DataFrame([self.fields(item) for item in self])
        for name in self.times:
            if name in frame:
                frame[name] = pandas.to_datetime(frame[name], utc=True, format="ISO8601")
        return frame

    def __repr__(self) -> str:
        if not self:
            return self._caption()
        return f"{self._caption()}\n{page.columns(self.heads, map(self.row, self[:SHOWN]))}"

    def _repr_html_(self) -> str:
        if not self:
            return page.sentence(self._caption())
        return page.table(self._caption(), self.heads, map(self.row, self[:SHOWN]))

    def _caption(self) -> str:
        count = len(self)
        if not count:
            return self.none
        newest = f", the newest {SHOWN} shown" if count > SHOWN else ""
        return f"{count} {self.noun}{'s' if count > 1 else ''}{newest}"
