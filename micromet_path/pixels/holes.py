"""Holes of fragments: their area filled, and which fragment lies in a hole of which."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.kernels import kernel
from micromet_path.model import Runs
from micromet_path.pixels.search import ZERO, first_from
from micromet_path.pixels.union import find_root, unite

__all__ = ["fill_holes"]

_FAR: Any = np.iinfo(np.int64).max
"""Beyond every column and every area."""


def fill_holes(runs: Runs, first_px: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Area of each fragment with its holes filled, and the fragment in whose hole it lies.

    Parameters
    ----------
    runs : Runs
    first_px : ndarray of shape (F, 2)

    Returns
    -------
    filled_px : ndarray of shape (F,), int64
        Holes are background that is 4-connected and enclosed.
    enclosed_by : ndarray of shape (F,), int64
        The smallest fragment around, -1 for none.
    """
    n = len(first_px)
    span = int(runs.stop.max(initial=0)) + 1
    keys = first_px[:, 1] * span + first_px[:, 0]
    order = np.argsort(keys)
    offsets = np.searchsorted(runs.fragment, np.arange(n + 1))
    filled, enclosed_by = _fill(runs.row, runs.start, runs.stop, offsets, keys[order], order, span)
    return filled, enclosed_by


@kernel("i4[::1], i4[::1], i4[::1], i8[::1], i8[::1], i8[::1], i8")
def _fill(row: Any, start: Any, stop: Any, offsets: Any, keys: Any, key_fragment: Any, span: Any) -> Any:
    """Union-find over the background runs between the runs of each fragment."""
    n = offsets.shape[0] - 1
    filled = np.zeros(n, np.int64)
    enclosed_by = np.full(n, -1, np.int64)
    enclosing_area = np.full(n, _FAR, np.int64)
    for f in range(n):
        begin, end = offsets[f], offsets[f + 1]
        stained, n_holes = 0, 0
        for i in range(begin, end):
            stained += stop[i] - start[i]
            n_holes += i > begin and row[i] == row[i - 1]
        filled[f] = stained
        if n_holes == 0:
            continue
        gap_row = np.empty(n_holes, np.int64)
        gap_start, gap_stop = np.empty(n_holes, np.int64), np.empty(n_holes, np.int64)
        k = 0
        for i in range(begin + 1, end):
            if row[i] == row[i - 1]:
                gap_row[k], gap_start[k], gap_stop[k] = row[i], stop[i - 1], start[i]
                k += 1
        is_open = _open_gaps(row, start, stop, begin, end, gap_row, gap_start, gap_stop)
        for k in range(n_holes):
            if not is_open[k]:
                filled[f] += gap_stop[k] - gap_start[k]
        for k in range(n_holes):
            if is_open[k]:
                continue
            key = gap_row[k] * span + gap_start[k]
            low = first_from(keys, ZERO, keys.shape[0], key)
            while low < keys.shape[0] and keys[low] < gap_row[k] * span + gap_stop[k]:
                inner = key_fragment[low]
                if filled[f] < enclosing_area[inner]:
                    enclosing_area[inner], enclosed_by[inner] = filled[f], f
                low += 1
    return filled, enclosed_by


@kernel()
def _open_gaps(
    row: Any, start: Any, stop: Any, begin: Any, end: Any, gap_row: Any, gap_start: Any, gap_stop: Any
) -> Any:
    """Which background runs reach the outside of the fragment; 4-connected, index n is the outside."""
    n = gap_row.shape[0]
    parent = np.arange(n + 1)
    top, bottom = row[begin], row[end - 1]
    first_row = np.full(bottom - top + 1, _FAR, np.int64)  # leftmost start of each row
    last_row = np.full(bottom - top + 1, -1, np.int64)
    for i in range(begin, end):
        first_row[row[i] - top] = min(first_row[row[i] - top], start[i])
        last_row[row[i] - top] = max(last_row[row[i] - top], stop[i])
    above = 0
    for k in range(n):
        y = gap_row[k] - top
        if gap_row[k] == top or gap_row[k] == bottom:
            unite(parent, n, k)
        else:
            for near in (y - 1, y + 1):
                if gap_start[k] < first_row[near] or gap_stop[k] > last_row[near]:
                    unite(parent, n, k)
        while above < n and (
            gap_row[above] < gap_row[k] - 1 or (gap_row[above] == gap_row[k] - 1 and gap_stop[above] <= gap_start[k])
        ):
            above += 1
        b = above
        while b < n and gap_row[b] == gap_row[k] - 1 and gap_start[b] < gap_stop[k]:
            unite(parent, b, k)
            b += 1
    is_open = np.empty(n, np.bool_)
    outside = find_root(parent, n)
    for k in range(n):
        is_open[k] = find_root(parent, k) == outside
    return is_open
