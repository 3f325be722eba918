"""Looking up a place among rising values in compiled code; numpy's own search takes a second to compile."""

from __future__ import annotations

from typing import Any

from numba import njit

__all__ = ["first_from"]


@njit(cache=True, nogil=True)
def first_from(rising: Any, begin: Any, end: Any, least: Any) -> Any:
    """Index of the first value in a range that is not below another; the end of the range where there is none."""
    while begin < end:
        middle = (begin + end) // 2
        if rising[middle] < least:
            begin = middle + 1
        else:
            end = middle
    return begin
