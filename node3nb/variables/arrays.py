"""NumPy arrays as `.npy` files and back; never a pickle, and never more than the file holds.

Travels with the job too: NumPy is only imported where a value needs it.
"""

from __future__ import annotations

import importlib
import io
import math
import struct
import sys
from typing import Any

from .bounds import Uncarried
from .plain import Put, kind

#: Kinds of elements that are nothing but their bytes (numpy.dtype.kind).
_PLAIN = frozenset("biufcSUmM")
#: Dimensions of an array; NumPy 1 has no more.
_MAX_DIMENSIONS = 32
#: Bytes of a header, which NumPy evaluates; its own bound is the same, from 1.24 on.
_MAX_HEADER = 10_000


def encode(value: object, put: Put) -> Any:
    """Return the node of an array or of one of its elements; None for anything else.

    Raises
    ------
    Uncarried
        It holds Python objects.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, (numpy.ndarray, numpy.generic)):
        return None
    scalar = isinstance(value, numpy.generic)
    if not scalar and type(value) is not numpy.ndarray:
        raise Uncarried(f"holds a {kind(value)}; make it a plain array with numpy.asarray")
    array = numpy.asarray(value)
    if not _flat(array.dtype):
        raise Uncarried(f"holds an array of dtype {array.dtype}, which can't be carried")
    file = io.BytesIO()
    numpy.lib.format.write_array(file, array, allow_pickle=False)
    _check_header(file.getbuffer())
    return {"scalar" if scalar else "ndarray": put("npy", file.getbuffer())}


def decode(word: str, content: bytearray) -> Any:
    """Return the array, or its one element, that a `.npy` file of a stranger's holds.

    Raises
    ------
    Uncarried
        It is no such file, or says more than it holds.
    """
    try:
        numpy = importlib.import_module("numpy")
    except ImportError:
        raise Uncarried("is an array, and there is no NumPy here; install numpy") from None
    file = io.BytesIO(content)
    try:
        array = _read(numpy, file, content)
    except Uncarried:
        raise
    except Exception:  # noqa: BLE001 - whatever a stranger's header brings about
        raise Uncarried("is no true NumPy file") from None
    return array[()] if word == "scalar" else array


def _read(numpy: Any, file: io.BytesIO, content: bytearray) -> Any:
    _check_header(content)
    layout = numpy.lib.format
    version = layout.read_magic(file)
    read = layout.read_array_header_1_0 if version == (1, 0) else layout.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if not _flat(dtype):
        raise Uncarried("is an array of objects, which would have to be unpickled")
    if len(shape) > _MAX_DIMENSIONS or any(length < 0 for length in shape):
        raise Uncarried("is an array of no possible shape")
    count = math.prod(shape)
    if count * dtype.itemsize != len(content) - file.tell():
        raise Uncarried("is an array whose file is shorter or longer than it says")
    if count > len(content):
        raise Uncarried("is an array of more elements than its file has bytes")
    flat = numpy.frombuffer(content, dtype, count, file.tell())
    # Aligned, and not tied to the file's own bytes.
    return flat.reshape(shape, order="F" if fortran else "C").copy(order="K")


def _check_header(content: bytearray | memoryview) -> None:
    if bytes(content[:6]) != b"\x93NUMPY":
        raise Uncarried("is no true NumPy file")
    major, minor = content[6], content[7]
    if (major, minor) not in {(1, 0), (2, 0)}:
        raise Uncarried(f"is a NumPy file of version {major}.{minor}")
    (size,) = struct.unpack_from("<H" if major == 1 else "<I", content, 8)
    if size > _MAX_HEADER:
        raise Uncarried(f"is an array whose header has more than {_MAX_HEADER} bytes")


def _flat(dtype: Any) -> bool:
    """Whether elements are their bytes, or records of such."""
    if dtype.hasobject or dtype.subdtype is not None:
        return False
    if dtype.fields is None:
        return dtype.kind in _PLAIN
    return all(field[0].kind in _PLAIN and not field[0].subdtype for field in dtype.fields.values())
