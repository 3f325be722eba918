"""Runs of stained pixels as columns of millions of rows: picked, renumbered, and made whole over seams."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.kernels import kernel
from micromet_path.model import Runs
from micromet_path.pixels.order import order_by

__all__ = ["join_runs", "keep_runs", "runs_of", "runs_renumbered"]


def join_runs(
    row: NDArray[np.int32], start: NDArray[np.int32], stop: NDArray[np.int32], fragment: NDArray[np.int32]
) -> Runs:
    """Runs of fragments, sorted, with those that a block border cut made whole.

    Parameters
    ----------
    row, start, stop, fragment : ndarray of shape (R,), int32

    Examples
    --------
    >>> row, fragment = np.zeros(3, np.int32), np.array([0, 1, 0], np.int32)
    >>> join_runs(row, np.array([5, 9, 2], np.int32), np.array([8, 12, 5], np.int32), fragment)
    Runs(row=array([0, 0], dtype=int32), start=array([2, 9], dtype=int32), stop=array([ 8, 12], dtype=int32), \
fragment=array([0, 1], dtype=int32))
    """
    return Runs(*_made_whole(row, start, stop, fragment, order_by(fragment, row, start)))


def runs_of(runs: Runs, chosen: NDArray[np.bool_]) -> Runs:
    """Runs of chosen fragments, which keep their numbers.

    Parameters
    ----------
    runs : Runs
    chosen : ndarray of shape (F,), bool
    """
    return runs_renumbered(runs, np.where(chosen, np.arange(len(chosen)), -1))


def runs_renumbered(runs: Runs, number: NDArray[np.int64]) -> Runs:
    """Runs under other numbers of their fragments.

    Parameters
    ----------
    runs : Runs
    number : ndarray of shape (F,), int64
        New number of each fragment, -1 where its runs are left out.
    """
    kept = np.empty((4, len(runs.row)), np.int32)
    row, start, stop, fragment = kept[:, : keep_runs(runs.row, runs.start, runs.stop, runs.fragment, number, kept, 0)]
    return Runs(row, start, stop, fragment)


@kernel("i4[::1], i4[::1], i4[::1], i4[::1], i8[::1], i4[:,::1], i8")
def keep_runs(row: Any, start: Any, stop: Any, piece: Any, number: Any, out: Any, at: Any) -> Any:
    """Write runs whose piece has a number, with that number, from a column of a table on; the column after them.

    Parameters
    ----------
    row, start, stop, piece : ndarray of shape (R,), int32
    number : ndarray of shape (N,), int64
        Of each piece, -1 where it is left out.
    out : ndarray of shape (4, S), int32
    at : int
    """
    for i in range(row.shape[0]):
        joined = number[piece[i]]
        if joined >= 0:
            out[0, at], out[1, at], out[2, at], out[3, at] = row[i], start[i], stop[i], joined
            at += 1
    return at


@kernel("i4[::1], i4[::1], i4[::1], i4[::1], i4[::1]")
def _made_whole(row: Any, start: Any, stop: Any, fragment: Any, order: Any) -> Any:
    """Runs in an order, those that begin where the one before ends as one."""
    rows, starts = np.empty_like(row), np.empty_like(row)
    stops, fragments = np.empty_like(row), np.empty_like(row)
    last = -1
    for i in order:
        if last >= 0 and stops[last] == start[i] and rows[last] == row[i] and fragments[last] == fragment[i]:
            stops[last] = stop[i]
            continue
        last += 1
        rows[last], starts[last], stops[last], fragments[last] = row[i], start[i], stop[i], fragment[i]
    n = last + 1
    return rows[:n].copy(), starts[:n].copy(), stops[:n].copy(), fragments[:n].copy()
