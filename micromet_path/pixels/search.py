"""What compiled code shares: numbers to begin a count with, and looking up a place among rising values.

numpy's own search takes a second to compile.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from micromet_path.kernels import kernel

__all__ = ["ONE", "ZERO", "first_from"]

ZERO: Any = np.int64(0)
ONE: Any = np.int64(1)
"""Both of the kind that counts are. A plain 0 is a kind of its own: what is called with it is compiled once more."""


@kernel("i8[::1], i8, i8, i8", "i4[::1], i8, i8, i8", "f8[:], i8, i8, f8")
def first_from(rising: Any, begin: Any, end: Any, least: Any) -> Any:
    """Index of the first value in a range that is not below another; the end of the range where there is none."""
    while begin < end:
        middle = (begin + end) // 2
        if rising[middle] < least:
            begin = middle + 1
        else:
            end = middle
    return begin
