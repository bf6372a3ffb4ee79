"""Python values as JSON and back, exactly; what JSON has no word for is an object with one key.

Travels with the job too: only the standard library, and nothing newer than Python 3.9.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Callable, Iterable
from typing import Any

from .bounds import Room, Uncarried

#: Containers inside each other.
MAX_DEPTH = 64
#: Lists, dictionaries and other nodes of one value: a short text must not fill the memory.
MAX_NODES = 1_000_000
#: Characters or bytes from which a text goes into a file of its own.
LONG = 1 << 16
#: Hexadecimal digits of one number.
MAX_INT_DIGITS = 1 << 16
#: Bits of a number in a key: comparing long ones with decimals takes its time.
MAX_KEY_BITS = 1024
#: Keys of one dictionary, or members of one set, that may have one and the same hash.
MAX_ALIKE = 16
#: Whole numbers that every reader of JSON takes as they are.
_EXACT = 1 << 53

#: Puts bytes into a file of their own, with that ending, and returns its name.
Put = Callable[[str, Any], str]
#: Returns what is in a file of its own.
Get = Callable[[str], Any]


def kind(value: object) -> str:
    """Return the name of a value's type as its reader knows it."""
    of = type(value)
    return of.__qualname__ if of.__module__ == "builtins" else f"{of.__module__}.{of.__qualname__}"


class Encoder:
    """Makes trees of values.

    Parameters
    ----------
    put
        Where long texts go.
    more
        Makes the node of a value that is no plain one, or returns None.
    room
        What their reader will have for them.
    """

    def __init__(self, put: Put, more: Callable[[object], Any], room: Room) -> None:
        self._put = put
        self._more = more
        self.room = room
        self._left = MAX_NODES

    def encode(self, value: Any, depth: int = 0) -> Any:
        """Return the tree of a value.

        Raises
        ------
        Uncarried
            There is no exact one.
        """
        of = type(value)
        if value is None or of is bool or (of is int and abs(value) < _EXACT):
            return value
        if of is float and math.isfinite(value):
            return value
        if of is str and len(value) < LONG:
            return value
        self._left -= 1
        if depth > MAX_DEPTH:
            raise Uncarried(f"is nested deeper than {MAX_DEPTH} levels, or holds itself")
        if self._left < 0:
            raise Uncarried(f"has more than {MAX_NODES} parts; carry it as an array or a table")
        if of in (list, tuple, set, frozenset, dict):
            return self._container(value, depth + 1)
        return self._scalar(value, depth)

    def _container(self, value: Any, depth: int) -> Any:
        if type(value) not in (list, tuple):
            _check_keys(value, self.room)
        if type(value) is dict:
            pairs = value.items()
            return {"dict": [[self.encode(key, depth), self.encode(v, depth)] for key, v in pairs]}
        items = [self.encode(each, depth) for each in value]
        return items if type(value) is list else {type(value).__name__: items}

    def _scalar(self, value: Any, depth: int) -> Any:
        of = type(value)
        if of in _TOLD:
            return {of.__name__: _TOLD[of](value)}
        if of is str:
            return {"text": self._put("txt", value.encode("utf-8", "surrogatepass"))}
        if of in (bytes, bytearray):
            if len(value) < LONG:
                return {of.__name__: base64.b64encode(value).decode()}
            return {of.__name__: {"file": self._put("bin", value)}}
        if kind(value) == "decimal.Decimal":
            return {"decimal": str(value)}
        node = self._more(value)
        if node is None:
            within = f"holds something of type {kind(value)}, which " if depth else ""
            raise Uncarried(f"{within}can't be carried; carry plain values, arrays or tables")
        return node


def _whole(value: int) -> str:
    if value.bit_length() > 4 * MAX_INT_DIGITS:
        raise Uncarried(f"holds a number of more than {MAX_INT_DIGITS} hexadecimal digits")
    return hex(value)


def _moment(value: dt.datetime | dt.time) -> list[Any]:
    if value.tzinfo is not None and type(value.tzinfo) is not dt.timezone:
        raise Uncarried(f"holds a time in a {kind(value.tzinfo)}; convert it to UTC")
    return [value.isoformat(), value.fold]


#: What is written of each type that has one short text.
_TOLD: dict[type, Callable[[Any], Any]] = {
    int: _whole,
    float: repr,
    complex: lambda value: [repr(value.real), repr(value.imag)],
    dt.datetime: _moment,
    dt.time: _moment,
    dt.date: dt.date.isoformat,
    dt.timedelta: lambda value: [value.days, value.seconds, value.microseconds],
}


class Decoder:
    """Makes values of trees that nobody has vouched for.

    Parameters
    ----------
    get
        Where long texts are.
    more
        Makes the value of a node that is no plain one.
    room
        What there is for them.
    """

    def __init__(self, get: Get, more: Callable[[str, Any], Any], room: Room) -> None:
        self._get = get
        self._more = more
        self.room = room
        self._left = MAX_NODES

    def decode(self, tree: Any, depth: int = 0) -> Any:
        """Return the value of a tree as `json.loads` gives it.

        Raises
        ------
        Uncarried
            It is none that an Encoder makes.
        """
        if not isinstance(tree, (list, dict)):
            return tree
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise Uncarried(f"has more than {MAX_DEPTH} levels or {MAX_NODES} parts")
        if isinstance(tree, list):
            return [self.decode(each, depth + 1) for each in tree]
        if len(tree) != 1:
            raise Uncarried("is not written as node3nb writes it")
        ((word, told),) = tree.items()
        try:
            return self._node(word, told, depth + 1)
        except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError):
            raise Uncarried(f"holds no true {word[:20]!a}") from None

    def _node(self, word: str, told: Any, depth: int) -> Any:
        if word == "dict":
            pairs = [(self.decode(key, depth), self.decode(v, depth)) for key, v in told]
            _check_hashes([key for key, _ in pairs], self.room)
            return dict(pairs)
        if word in _CONTAINERS:
            items = [self.decode(each, depth) for each in told]
            if word != "tuple":
                _check_hashes(items, self.room)
            return _CONTAINERS[word](items)
        if word in _MADE:
            return _MADE[word](told)
        if word == "text":
            return bytes(self._get(told)).decode("utf-8", "surrogatepass")
        if word in _BYTES:
            content = self._get(told["file"]) if isinstance(told, dict) else _base64(told)
            return _BYTES[word](content)
        return self._more(word, told)


def _check_keys(keys: Iterable[Any], room: Room) -> None:
    """Refuse more keys than can be told apart in time, whatever their hashes; hashes nothing."""
    # Of text the hash is a secret of each process (PYTHONHASHSEED), of all else it is known.
    foreseen = [key for key in keys if type(key) not in (str, bytes)]
    room.foresee(len(foreseen))
    _check_numbers(foreseen)


def _check_numbers(keys: Iterable[Any]) -> None:
    for key in keys:
        if type(key) in (tuple, frozenset):
            _check_numbers(key)
        elif type(key) is int and key.bit_length() > MAX_KEY_BITS:
            raise Uncarried(f"has a key with a number of more than {MAX_KEY_BITS} bits")


def _check_hashes(keys: list[Any], room: Room) -> None:
    """Refuse keys made to be alike: a table of them takes hours to fill."""
    _check_keys(keys, room)
    hashes = sorted(map(hash, keys))
    if any(one == other for one, other in zip(hashes, hashes[MAX_ALIKE:])):  # noqa: B905 - 3.9
        raise Uncarried("holds keys that are made to slow its reader down")


def _number(told: str) -> int:
    if not isinstance(told, str) or len(told) > MAX_INT_DIGITS + 3:
        raise ValueError(told)
    return int(told, 16)


def _base64(told: str) -> bytes:
    return base64.b64decode(told.encode("ascii"), validate=True)


def _datetime(told: list[Any]) -> dt.datetime:
    iso, fold = told
    return dt.datetime.fromisoformat(iso).replace(fold=fold)


def _time(told: list[Any]) -> dt.time:
    iso, fold = told
    return dt.time.fromisoformat(iso).replace(fold=fold)


def _complex(told: list[Any]) -> complex:
    real, imaginary = told
    return complex(float(real), float(imaginary))


def _decimal(told: str) -> Any:
    from decimal import Decimal  # noqa: PLC0415 - few jobs need it

    if len(told) > MAX_INT_DIGITS:
        raise ValueError(told)
    return Decimal(told)


_CONTAINERS: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}
_BYTES: dict[str, Callable[[Any], Any]] = {"bytes": bytes, "bytearray": bytearray}
_MADE: dict[str, Callable[[Any], Any]] = {
    "int": _number,
    "float": float,
    "complex": _complex,
    "datetime": _datetime,
    "time": _time,
    "date": dt.date.fromisoformat,
    "timedelta": lambda told: dt.timedelta(*told),
    "decimal": _decimal,
}
