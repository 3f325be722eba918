"""Connected pieces: of runs of pixels, and of masks by way of their runs; numbered from the top left, as scipy does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.kernels import kernel
from micromet_path.pixels.search import ONE, ZERO
from micromet_path.pixels.union import find_root, unite

__all__ = ["boxes_of", "filled_and_left", "label_runs", "labelled"]

Mask = NDArray[np.bool_]


def labelled(mask: Mask, is_eight: bool) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number of the piece that each pixel of a mask belongs to, 0 for none; and the pixels of each number.

    Parameters
    ----------
    mask : ndarray of shape (M, N), bool
    is_eight : bool
        Whether pixels that share a corner alone are connected.

    Returns
    -------
    labels : ndarray of shape (M, N), int32
    pixels : ndarray of shape (n + 1,), int64
        0 first, for what is in no piece.

    Examples
    --------
    >>> labels, pixels = labelled(np.array([[True, False], [False, True]]), is_eight=False)
    >>> labels.tolist(), pixels.tolist()
    ([[1, 0], [0, 2]], [0, 1, 1])
    """
    mask = np.ascontiguousarray(mask)  # one kind of array is compiled for
    row, start, stop = _runs_where(mask, True)
    piece, n = label_runs(row, start, stop, ONE if is_eight else ZERO)
    labels, pixels = _painted(mask, row, start, stop, piece, n)
    return labels, pixels


def boxes_of(labels: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """Bounding box (x0, y0, x1, y1) of each of the pieces 1 to n, all of which there are.

    Examples
    --------
    >>> boxes_of(np.array([[0, 1, 1], [2, 0, 1]], np.int32), 2).tolist()
    [[1, 0, 3, 2], [0, 1, 1, 2]]
    """
    return np.asarray(_boxes(np.ascontiguousarray(labels), n))


def filled_and_left(mask: Mask, hole_px: float) -> tuple[Mask, int]:
    """The mask with its holes up to a size filled, and the pixels of those that are left.

    Holes are 4-connected; what reaches the border of the picture is none.
    """
    mask = np.ascontiguousarray(mask)
    row, start, stop = _runs_where(mask, False)
    piece, n = label_runs(row, start, stop, ZERO)
    filled, left_px = _filled(mask, row, start, stop, piece, n, float(hole_px))
    return filled, int(left_px)


@kernel("b1[:,::1], b1")
def _runs_where(mask: Any, wanted: Any) -> Any:
    """Runs (row, start, stop) of pixels of a value."""
    rows, columns = mask.shape
    room = 0
    for r in range(rows):
        room += columns > 0 and mask[r, 0] == wanted
        for c in range(1, columns):
            room += (mask[r, c] == wanted) & (mask[r, c - 1] != wanted)
    row, start, stop = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32)
    n = 0
    for r in range(rows):
        is_inside = False
        for c in range(columns):
            if (mask[r, c] == wanted) != is_inside:
                is_inside = not is_inside
                if is_inside:
                    row[n], start[n] = r, c
                else:
                    stop[n] = c
                    n += 1
        if is_inside:
            stop[n] = columns
            n += 1
    return row, start, stop


@kernel("i4[::1], i4[::1], i4[::1], i8")
def label_runs(row: Any, start: Any, stop: Any, reach: Any) -> Any:
    """Connected pieces of runs sorted by row and column, numbered from 0 by their first run; and how many there are.

    With a reach of 1 runs of neighbouring rows are connected that share a corner, with 0 they must share an edge.
    """
    n = row.shape[0]
    parent = np.arange(n).astype(np.int32)
    above_begin, above_end, begin = 0, 0, 0
    while begin < n:
        end = begin
        while end < n and row[end] == row[begin]:
            end += 1
        if above_end > above_begin and row[above_begin] == row[begin] - 1:
            a = above_begin
            for i in range(begin, end):
                while a < above_end and stop[a] + reach <= start[i]:
                    a += 1
                b = a
                while b < above_end and start[b] < stop[i] + reach:
                    unite(parent, b, i)
                    b += 1
        above_begin, above_end, begin = begin, end, end
    n_pieces = 0
    piece = np.empty(n, np.int32)
    for i in range(n):
        if parent[i] == i:
            piece[i] = n_pieces
            n_pieces += 1
        else:
            piece[i] = piece[find_root(parent, i)]
    return piece, n_pieces


@kernel("b1[:,::1], i4[::1], i4[::1], i4[::1], i4[::1], i8")
def _painted(mask: Any, row: Any, start: Any, stop: Any, piece: Any, n: Any) -> Any:
    """Labels of the pieces, from 1, and their pixels."""
    labels, pixels = np.zeros(mask.shape, np.int32), np.zeros(n + 1, np.int64)
    for i in range(len(row)):
        pixels[piece[i] + 1] += stop[i] - start[i]
        for c in range(start[i], stop[i]):
            labels[row[i], c] = piece[i] + 1
    return labels, pixels


@kernel("i4[:,::1], i8")
def _boxes(labels: Any, n: Any) -> Any:
    """The first row of a piece is where it is met first, its last where it is met last."""
    rows, columns = labels.shape
    boxes = np.zeros((n, 4), np.int64)
    for r in range(rows):
        for c in range(columns):
            piece = labels[r, c] - 1
            if piece < 0:
                continue
            if boxes[piece, 3] == 0:
                boxes[piece, 0], boxes[piece, 1] = c, r
            boxes[piece, 0] = min(boxes[piece, 0], c)
            boxes[piece, 2] = max(boxes[piece, 2], c + 1)
            boxes[piece, 3] = r + 1
    return boxes


@kernel("b1[:,::1], i4[::1], i4[::1], i4[::1], i4[::1], i8, f8")
def _filled(mask: Any, row: Any, start: Any, stop: Any, piece: Any, n: Any, hole_px: Any) -> Any:
    """The mask with its small holes, and the pixels of its large ones."""
    rows, columns = mask.shape
    pixels = np.zeros(n, np.int64)
    is_open = np.zeros(n, np.bool_)
    for i in range(len(row)):
        pixels[piece[i]] += stop[i] - start[i]
        is_open[piece[i]] |= row[i] == 0 or row[i] == rows - 1 or start[i] == 0 or stop[i] == columns
    left = 0
    filled = np.ones(mask.shape, np.bool_)
    for i in range(len(row)):
        if is_open[piece[i]] or pixels[piece[i]] > hole_px:
            for c in range(start[i], stop[i]):
                filled[row[i], c] = False
            if not is_open[piece[i]]:
                left += stop[i] - start[i]
    return filled, left
