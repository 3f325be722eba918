"""Order of many small whole numbers by several keys: counted, not compared, and so in a quarter of the time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.kernels import kernel

__all__ = ["order_by"]


def order_by(*keys: NDArray[np.integer]) -> NDArray[np.int32]:
    """Indices that sort by the first key, where it is equal by the second, and so on; as `numpy.lexsort`, reversed.

    Parameters
    ----------
    keys : ndarray of shape (N,), integer
        At least 0; eight bytes are taken for every value up to the largest one.

    Raises
    ------
    ValueError
        If a key is negative.

    Examples
    --------
    >>> order_by(np.array([1, 0, 1]), np.array([7, 8, 3]))
    array([1, 2, 0], dtype=int32)
    """
    order = np.arange(len(keys[0]), dtype=np.int32)
    if any(key.min(initial=0) < 0 for key in keys):
        raise ValueError("keys to order by must not be negative")
    for key in reversed(keys):  # the last one first, each pass keeps the order of those before
        order = _counted(order, key.astype(np.int32, copy=False), np.zeros(int(key.max(initial=0)) + 2, np.int64))
    return order


@kernel("i4[::1], i4[::1], i8[::1]")
def _counted(order: Any, key: Any, begins: Any) -> Any:
    """The same indices by rising key; those with the same one stay as they are."""
    for value in key:
        begins[value + 1] += 1
    for value in range(1, len(begins)):
        begins[value] += begins[value - 1]
    result = np.empty_like(order)
    for index in order:
        value = key[index]
        result[begins[value]] = index
        begins[value] += 1
    return result
