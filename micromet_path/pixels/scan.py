"""One pass over a block of pixels: stained runs, connected pieces, and their sums.

The tables of `stain` define stained, so every sum is a sum of whole numbers and merges in any order.
Components at the lower, the configured and the higher threshold are nested; one pass yields all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from micromet_path.geometry import Region
from micromet_path.model import BlockScan, Pieces
from micromet_path.pixels.reject import SEGMENT_PX, may_stain
from micromet_path.pixels.stain import StainTables
from micromet_path.pixels.union import find_root, unite

__all__ = ["scan_block"]

_N_SUMS = 10


def scan_block(
    rgb: NDArray[np.uint8], region: Region, tables: StainTables, bands: Sequence[tuple[int, int]] | None = None
) -> BlockScan:
    """Reduce a block of pixels to stained runs, pieces and sums.

    Parameters
    ----------
    rgb : ndarray of shape (M, N, 3), dtype uint8
        Pixels of the region; glass white where nothing is to be found.
    region : Region
        Where the block lies on level 0.
    tables : StainTables
    bands : sequence of (int, int), optional
        Rows from the first to before the second that are looked at, rising and apart; the others were not
        read. The whole block by default.

    Returns
    -------
    BlockScan
        Pieces connected inside the block; `fragments.join` joins them across its borders.
    """
    limits = np.array([tables.low, tables.mid, tables.high, tables.strong], np.int64)
    bands = ((0, rgb.shape[0]),) if bands is None else bands
    rows = np.concatenate([np.arange(first, last) for first, last in bands])
    low, mid = _find_runs(rgb, rows, tables.dyes, tables.blue_line, limits)
    low_row, low_start, low_stop = low
    if not len(low_row):  # half of a slide is glass
        return _nothing(region)
    row, start, stop, low_of_run, high_start, high_stop, run_sums, run_max = mid
    edge_rows = region.y0 + np.array([edge for first, last in bands for edge in (first, last - 1)])
    low_piece, n_low = _label_runs(low_row, low_start, low_stop)
    piece, n_pieces = _label_runs(row, start, stop)
    for columns in (low_start, low_stop, start, stop, high_start, high_stop):
        columns += region.x0
    for rows in (low_row, row):
        rows += region.y0
    sums, first_px, bbox, max_dab, lenient_of = _reduce(
        (row, start, stop), piece, n_pieces, run_sums, run_max, low_piece[low_of_run]
    )
    has_high = high_stop > high_start
    high_hull, high_offsets = _row_hulls(
        row[has_high], high_start[has_high], high_stop[has_high], piece[has_high], n_pieces
    )
    return BlockScan(
        region=region,
        stained=_pieces((row, start, stop), piece, n_pieces, region, edge_rows),
        lenient=_pieces((low_row, low_start, low_stop), low_piece, n_low, region, edge_rows),
        high_hull_px=high_hull,
        high_hull_offsets=high_offsets,
        lenient_of=lenient_of,
        first_px=first_px,
        bbox_px0=bbox,
        sums=sums,
        max_dab=max_dab,
        row=row,
        start=start,
        stop=stop,
        piece=piece,
    )


def _nothing(region: Region) -> BlockScan:
    """What a block without stain yields."""
    points, offsets, column = np.empty((0, 2), np.int64), np.zeros(1, np.int64), np.empty(0, np.int32)
    pieces = Pieces(points, offsets, column, column, column, column)
    none = np.empty(0, np.int64)
    return BlockScan(
        region=region,
        stained=pieces,
        lenient=pieces,
        high_hull_px=points,
        high_hull_offsets=offsets,
        lenient_of=none,
        first_px=points,
        bbox_px0=np.empty((0, 4), np.int64),
        sums=np.empty((0, _N_SUMS), np.int64),
        max_dab=none,
        row=column,
        start=column,
        stop=column,
        piece=column,
    )


def _pieces(runs: Any, piece: Any, n_pieces: int, region: Region, edge_rows: NDArray[np.int64]) -> Pieces:
    """Hulls and seam runs of labelled runs; what lies beyond a seam is another block's, or was not read."""
    row, start, stop = runs
    hull, offsets = _row_hulls(row, start, stop, piece, n_pieces)
    seam = np.isin(row, edge_rows) | (start == region.x0) | (stop == region.x1)
    return Pieces(hull, offsets, row[seam], start[seam], stop[seam], piece[seam])


@njit(cache=True, nogil=True)
def _find_runs(rgb: Any, rows: Any, dyes: Any, blue_line: Any, limits: Any) -> Any:
    """Runs of some rows at the lower threshold, and runs at the configured one with the sums of their pixels.

    Room is set aside for the densest picture there can be; untouched pages cost nothing.
    """
    height, width = rgb.shape[:2]
    room = height * ((width + 1) // 2)
    low_row, low_start, low_stop = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32)
    row, start, stop = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32)
    low_of_run = np.empty(room, np.int32)
    high_start, high_stop = np.empty(room, np.int32), np.empty(room, np.int32)
    sums = np.empty((room, 7), np.int64)
    strongest = np.empty(room, np.int64)
    low, mid, high, strong = limits[0], limits[1], limits[2], limits[3]
    dab_r, dab_g, dab_b = dyes[1, 0], dyes[1, 1], dyes[1, 2]
    blue_r, blue_g, blue_b = dyes[0, 0], dyes[0, 1], dyes[0, 2]
    rest_r, rest_g, rest_b = dyes[2, 0], dyes[2, 1], dyes[2, 2]
    slope, offset = blue_line[0], blue_line[1]
    flat = rgb.reshape(height, 3 * width)
    n_low, n_mid = 0, 0
    for r in rows:
        in_low, in_mid = False, False
        for begin in range(0, width, SEGMENT_PX):
            end = min(width, begin + SEGMENT_PX)
            if not may_stain(flat[r, 3 * begin : 3 * end], slope, offset):
                if in_mid:
                    stop[n_mid] = begin
                    n_mid += 1
                    in_mid = False
                if in_low:
                    low_stop[n_low] = begin
                    n_low += 1
                    in_low = False
                continue
            for c in range(begin, end):
                red, green, blue = rgb[r, c, 0], rgb[r, c, 1], rgb[r, c, 2]
                dab = dab_r[red] + dab_g[green] + dab_b[blue]
                if in_mid and dab < mid:
                    stop[n_mid] = c
                    n_mid += 1
                    in_mid = False
                if dab < low:
                    if in_low:
                        low_stop[n_low] = c
                        n_low += 1
                        in_low = False
                    continue
                if not in_low:
                    low_row[n_low], low_start[n_low] = r, c
                    in_low = True
                if dab < mid:
                    continue
                if not in_mid:
                    row[n_mid], start[n_mid], low_of_run[n_mid] = r, c, n_low
                    high_start[n_mid], high_stop[n_mid], strongest[n_mid] = c, c, 0
                    for k in range(7):
                        sums[n_mid, k] = 0
                    in_mid = True
                sums[n_mid, 0] += red
                sums[n_mid, 1] += green
                sums[n_mid, 2] += blue
                sums[n_mid, 3] += blue_r[red] + blue_g[green] + blue_b[blue]
                sums[n_mid, 4] += dab
                sums[n_mid, 5] += rest_r[red] + rest_g[green] + rest_b[blue]
                if dab >= high:
                    if high_stop[n_mid] == high_start[n_mid]:
                        high_start[n_mid] = c
                    high_stop[n_mid] = c + 1
                    if dab >= strong:
                        sums[n_mid, 6] += 1
                if dab > strongest[n_mid]:
                    strongest[n_mid] = dab
        if in_mid:
            stop[n_mid] = width
            n_mid += 1
        if in_low:
            low_stop[n_low] = width
            n_low += 1
    lows = (low_row[:n_low].copy(), low_start[:n_low].copy(), low_stop[:n_low].copy())
    mids = (
        row[:n_mid].copy(),
        start[:n_mid].copy(),
        stop[:n_mid].copy(),
        low_of_run[:n_mid].copy(),
        high_start[:n_mid].copy(),
        high_stop[:n_mid].copy(),
        sums[:n_mid].copy(),
        strongest[:n_mid].copy(),
    )
    return lows, mids


@njit(cache=True, nogil=True)
def _label_runs(row: Any, start: Any, stop: Any) -> Any:
    """8-connected pieces of runs sorted by row and column, numbered by their first run."""
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
                while a < above_end and stop[a] < start[i]:
                    a += 1
                b = a
                while b < above_end and start[b] <= stop[i]:
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


@njit(cache=True, nogil=True)
def _reduce(runs: Any, piece: Any, n_pieces: Any, run_sums: Any, run_max: Any, lenient: Any) -> Any:
    """Sums, first pixel, box, strongest density and lenient piece of each piece."""
    row, start, stop = runs
    sums = np.zeros((n_pieces, _N_SUMS), np.int64)
    first = np.full((n_pieces, 2), -1, np.int64)
    box = np.empty((n_pieces, 4), np.int64)
    max_dab = np.zeros(n_pieces, np.int64)
    lenient_of = np.zeros(n_pieces, np.int64)
    for i in range(row.shape[0]):
        p = piece[i]
        x0, x1, y = np.int64(start[i]), np.int64(stop[i]), np.int64(row[i])
        if first[p, 0] < 0:
            first[p, 0], first[p, 1] = x0, y
            box[p, 0], box[p, 1], box[p, 2], box[p, 3] = x0, y, x1, y + 1
            lenient_of[p] = lenient[i]
        box[p, 0], box[p, 2], box[p, 3] = min(box[p, 0], x0), max(box[p, 2], x1), max(box[p, 3], y + 1)
        sums[p, 0] += x1 - x0
        sums[p, 1] += (x0 + x1 - 1) * (x1 - x0) // 2
        sums[p, 2] += y * (x1 - x0)
        for k in range(7):
            sums[p, 3 + k] += run_sums[i, k]
        max_dab[p] = max(max_dab[p], run_max[i])
    return sums, first, box, max_dab, lenient_of


@njit(cache=True, nogil=True)
def _row_hulls(row: Any, start: Any, stop: Any, piece: Any, n_pieces: Any) -> Any:
    """Corner points that span each piece's hull, ragged; runs come sorted by row.

    The outermost corners of each row are chained down the left and down the right side (a monotone
    chain along y that needs no sort).
    """
    n = row.shape[0]
    starts = np.zeros(n_pieces + 1, np.int64)
    for p in piece:
        starts[p + 1] += 1
    starts = np.cumsum(starts)
    cursor = starts[:-1].copy()
    order = np.empty(n, np.int64)
    for i in range(n):
        order[cursor[piece[i]]] = i
        cursor[piece[i]] += 1
    points = np.empty((4 * n, 2), np.int64)
    offsets = np.zeros(n_pieces + 1, np.int64)
    left = np.empty((2 * n + 2, 2), np.int64)
    right = np.empty((2 * n + 2, 2), np.int64)
    size = 0
    for p in range(n_pieces):
        n_left, n_right = 0, 0
        i = starts[p]
        while i < starts[p + 1]:
            y = row[order[i]]
            x0, x1 = start[order[i]], stop[order[i]]
            while i < starts[p + 1] and row[order[i]] == y:
                x0, x1 = min(x0, start[order[i]]), max(x1, stop[order[i]])
                i += 1
            for corner_y in range(y, y + 2):
                n_left = _chain(left, n_left, x0, corner_y, 1)
                n_right = _chain(right, n_right, x1, corner_y, -1)
        for k in range(n_left):
            points[size, 0], points[size, 1] = left[k, 0], left[k, 1]
            size += 1
        for k in range(n_right):
            points[size, 0], points[size, 1] = right[k, 0], right[k, 1]
            size += 1
        offsets[p + 1] = size
    return points[:size].copy(), offsets


@njit(cache=True, nogil=True)
def _chain(chain: Any, size: Any, x: Any, y: Any, side: Any) -> Any:
    """Append a corner to one side's chain, removing those it makes concave."""
    if size > 0 and chain[size - 1, 1] == y and (chain[size - 1, 0] - x) * side <= 0:
        return size  # a corner further out stands at this height already
    while size >= 2:
        ax, ay = chain[size - 2, 0], chain[size - 2, 1]
        turn = (chain[size - 1, 0] - ax) * (y - ay) - (chain[size - 1, 1] - ay) * (x - ax)
        if turn * side < 0:
            break
        size -= 1
    chain[size, 0], chain[size, 1] = x, y
    return size + 1
