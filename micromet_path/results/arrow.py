"""Arrow columns straight from memory.

``pyarrow.array`` imports pandas whenever it is installed, half a second that no command line user
should wait for; handing over buffers does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Column", "list_column", "to_column", "to_table"]

Column = NDArray[Any] | Sequence[Any]


def to_column(values: Column) -> pyarrow.Array:
    """A column without nulls from numbers, booleans, texts or bytes."""
    import pyarrow as pa

    if len(values) and isinstance(values[0], str | bytes):
        return _binary(list(values))
    numbers = np.ascontiguousarray(values)
    if numbers.dtype == object:
        return _binary(list(numbers))
    if numbers.dtype == bool:
        bits = np.packbits(numbers, bitorder="little")
        return pa.Array.from_buffers(pa.bool_(), len(numbers), [None, pa.py_buffer(bits)], null_count=0)
    kind = pa.from_numpy_dtype(numbers.dtype)
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)], null_count=0)


def list_column(values: NDArray[Any], offsets: NDArray[np.integer]) -> pyarrow.Array:
    """A column of lists from ragged numbers."""
    import pyarrow as pa

    return pa.ListArray.from_arrays(to_column(offsets.astype(np.int32)), to_column(values))


def to_table(columns: Mapping[str, Any]) -> pyarrow.Table:
    """A table; columns that are not Arrow arrays yet become so."""
    import pyarrow as pa

    arrays = [values if isinstance(values, pa.Array) else to_column(values) for values in columns.values()]
    return pa.Table.from_arrays(arrays, names=list(columns))


def _binary(values: Sequence[Any]) -> pyarrow.Array:
    """A column of texts, or of bytes."""
    import pyarrow as pa

    is_text = not values or isinstance(values[0], str)
    parts = [str(value).encode() for value in values] if is_text else [bytes(value) for value in values]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(parts))]
    return pa.Array.from_buffers(pa.string() if is_text else pa.binary(), len(parts), buffers, null_count=0)
