"""One pass over a block of pixels: stained runs, connected pieces, and their sums.

The tables of `stain` define stained, so every sum is a sum of whole numbers and merges in any order.
Components at the lower, the configured and the higher threshold are nested; one pass yields all three.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.geometry import Region
from micromet_path.kernels import kernel
from micromet_path.model import BlockScan, Pieces
from micromet_path.pixels.label import label_runs
from micromet_path.pixels.reject import SEGMENT_PX, may_stain
from micromet_path.pixels.search import ONE, ZERO
from micromet_path.pixels.stain import FIELD_BITS, StainTables

__all__ = ["Band", "scan_block"]

_N_SUMS = 10

_FIELD = (1 << FIELD_BITS) - 1
_COLOUR_BITS = 20
_COLOUR = (1 << _COLOUR_BITS) - 1
_LONGEST = _COLOUR // 255
"""Pixels of which the sums of three colours fit side by side into one number."""

_ENOUGH_RUNS = 100_000
"""Of a part of a block: some 30 MB until they are pieces, and pieces take far more time than a part's price."""

Band = tuple[int, NDArray[np.uint8]]
"""First row within its block, and pixels of the rows from there on: (M, N, 3)."""


def scan_block(bands: Iterable[Band], region: Region, tables: StainTables) -> Iterator[BlockScan]:
    """Reduce a block of pixels to stained runs, pieces and sums; in parts, one below the other, where there are many.

    Parameters
    ----------
    bands : iterable of (int, ndarray of shape (M, N, 3) and dtype uint8)
        What was read of the block, from top to bottom, as wide as the block; a band is done with before the next one is
        asked for, so that all can stand in one buffer. Glass white where nothing is to be found.
    region : Region
        Where the block lies on level 0.
    tables : StainTables

    Yields
    ------
    BlockScan
        Pieces connected inside the part, none without a run; `fragments.join` joins them across its borders.
    """
    read, found, n_runs = [], [], 0
    for first, rgb in bands:
        read.append((first, first + len(rgb)))
        lows, mids = _find_runs(rgb, tables.dyes[1], tables.blue_line, tables.low, tables.mid)
        if len(lows):  # half of a slide is glass
            sums = _sum_runs(rgb, mids, tables.packed, tables.field_zero, tables.high, tables.strong)
            found.append((first, lows, mids, *sums))
            n_runs += len(lows)
        if n_runs >= _ENOUGH_RUNS:
            yield _part(found, read, region)
            read, found, n_runs = [], [], 0
    if found:
        yield _part(found, read, region)


def _part(found: Sequence[Any], read: Sequence[tuple[int, int]], region: Region) -> BlockScan:
    """Pieces and sums of what was found in some bands."""
    lows, mids, run_sums, extremes = _placed(found, region)
    (low_row, low_start, low_stop), (row, start, stop, low_of_run) = lows, mids
    run_max, high_start, high_stop = extremes
    low_piece, n_low = label_runs(low_row, low_start, low_stop, ONE)
    piece, n_pieces = label_runs(row, start, stop, ONE)
    sums, first_px, bbox, max_dab, lenient_of = _reduce(
        (row, start, stop), piece, n_pieces, run_sums, run_max, low_piece[low_of_run]
    )
    has_high = high_stop > high_start
    high_hull, high_offsets = _row_hulls(
        row[has_high], high_start[has_high], high_stop[has_high], piece[has_high], n_pieces
    )
    is_edge = np.zeros(region.height, bool)
    is_edge[_edge_rows(read)] = True
    return BlockScan(
        stained=_pieces((row, start, stop), piece, n_pieces, region, is_edge),
        lenient=_pieces((low_row, low_start, low_stop), low_piece, n_low, region, is_edge),
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


def _placed(found: Sequence[Any], region: Region) -> tuple[Any, Any, Any, Any]:
    """Runs of all bands, one below the other and where they lie on the slide; columns, and sums run by run."""
    n_low = 0
    for first, lows, mids, _, extremes in found:
        lows += np.array([region.y0 + first, region.x0, region.x0], np.int32)
        mids += np.array([region.y0 + first, region.x0, region.x0, n_low], np.int32)
        extremes += np.array([0, region.x0, region.x0], np.int32)
        n_low += len(lows)
    _, *parts = zip(*found, strict=True)
    lows, mids, sums, extremes = (np.concatenate(part) for part in parts)
    return np.ascontiguousarray(lows.T), np.ascontiguousarray(mids.T), sums, np.ascontiguousarray(extremes.T)


def _edge_rows(read: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """First and last rows of what was read in one go: what lies beyond is another block's, or was not read."""
    first, last = np.array(read).T
    apart = last[:-1] != first[1:]
    return np.concatenate([first[:1], first[1:][apart], last[:-1][apart] - 1, last[-1:] - 1])


def _pieces(runs: Any, piece: Any, n_pieces: int, region: Region, is_edge: NDArray[np.bool_]) -> Pieces:
    """Hulls and seam runs of labelled runs; what lies beyond a seam is another block's, or was not read."""
    row, start, stop = runs
    hull, offsets = _row_hulls(row, start, stop, piece, n_pieces)
    seam = is_edge.take(row - region.y0) | (start == region.x0) | (stop == region.x1)
    return Pieces(hull, offsets, row[seam], start[seam], stop[seam], piece[seam])


@kernel("u1[:,:,::1], i4[:,::1], i2[::1], i8, i8")
def _find_runs(rgb: Any, dab: Any, blue_line: Any, low: Any, mid: Any) -> Any:
    """Runs (row, start, stop) at the lower threshold, and runs at the configured one with the lower run of each.

    Room is set aside for the densest picture there can be once anything is found; untouched pages cost nothing.
    """
    height, width = rgb.shape[:2]
    lows, mids = np.empty((0, 3), np.int32), np.empty((0, 4), np.int32)
    dab_r, dab_g, dab_b = dab[0], dab[1], dab[2]
    slope, offset = blue_line[0], blue_line[1]
    flat = rgb.reshape(height, 3 * width)
    n_low, n_mid, none = ZERO, ZERO, -ONE
    for r in range(height):
        low_from, mid_from = none, none  # where the runs begin that are not at their end yet
        for begin in range(0, width, SEGMENT_PX):
            end = min(width, begin + SEGMENT_PX)
            if not may_stain(flat[r, 3 * begin : 3 * end], slope, offset):
                if low_from >= 0:
                    n_low, n_mid = _close(lows, mids, n_low, n_mid, r, low_from, mid_from, begin)
                low_from, mid_from = none, none
                continue
            if lows.shape[0] == 0:
                room = (height - r) * ((width + 1) // 2)
                lows, mids = np.empty((room, 3), np.int32), np.empty((room, 4), np.int32)
            for c in range(begin, end):
                level = dab_r[rgb[r, c, 0]] + dab_g[rgb[r, c, 1]] + dab_b[rgb[r, c, 2]]
                if level >= mid:
                    if mid_from < 0:
                        mid_from = c
                        if low_from < 0:
                            low_from = c
                elif level >= low:
                    if low_from < 0:
                        low_from = c
                    elif mid_from >= 0:
                        n_mid = _close_mid(mids, n_mid, r, mid_from, c, n_low)
                        mid_from = none
                elif low_from >= 0:
                    n_low, n_mid = _close(lows, mids, n_low, n_mid, r, low_from, mid_from, c)
                    low_from, mid_from = none, none
        if low_from >= 0:
            n_low, n_mid = _close(lows, mids, n_low, n_mid, r, low_from, mid_from, width)
    return lows[:n_low].copy(), mids[:n_mid].copy()


@kernel()
def _close(
    lows: Any, mids: Any, n_low: Any, n_mid: Any, row: Any, low_from: Any, mid_from: Any, stop: Any
) -> tuple[Any, Any]:
    """Enter a run at the lower threshold, and the one within it that ends there too."""
    if mid_from >= 0:
        n_mid = _close_mid(mids, n_mid, row, mid_from, stop, n_low)
    lows[n_low, 0], lows[n_low, 1], lows[n_low, 2] = row, low_from, stop
    return n_low + 1, n_mid


@kernel()
def _close_mid(mids: Any, n_mid: Any, row: Any, start: Any, stop: Any, low_run: Any) -> Any:
    """Enter a run at the configured threshold."""
    mids[n_mid, 0], mids[n_mid, 1], mids[n_mid, 2], mids[n_mid, 3] = row, start, stop, low_run
    return n_mid + 1


@kernel("u1[:,:,::1], i4[:,::1], i8[:,::1], i8[::1], i8, i8")
def _sum_runs(rgb: Any, runs: Any, packed: Any, field_zero: Any, high: Any, strong: Any) -> Any:
    """Sums of the pixels of each run; its strongest pixel, first and last at the higher threshold (half-open)."""
    n = runs.shape[0]
    sums, extremes = np.zeros((n, 7), np.int64), np.empty((n, 3), np.int32)
    light = rgb.reshape(rgb.shape[0], 3 * rgb.shape[1])
    red, green, blue = packed[0], packed[1], packed[2]
    zero_h, zero_c, zero_r = field_zero[0], field_zero[1], field_zero[2]
    high, strong = high + zero_c, strong + zero_c
    for i in range(n):
        start, stop = runs[i, 1], runs[i, 2]
        strongest = ZERO
        for begin in range(start, stop, _LONGEST):
            part = light[runs[i, 0], 3 * begin : 3 * min(begin + _LONGEST, stop)]
            pixels = len(part) // 3
            colours, haematoxylin, chromogen, rest, strongs = ZERO, ZERO, ZERO, ZERO, ZERO
            for k in range(pixels):
                r, g, b = np.int64(part[3 * k]), np.int64(part[3 * k + 1]), np.int64(part[3 * k + 2])
                dyes = red[r] + green[g] + blue[b]
                amount = dyes & _FIELD
                colours += r + (g << _COLOUR_BITS) + (b << 2 * _COLOUR_BITS)
                chromogen += amount
                haematoxylin += (dyes >> FIELD_BITS) & _FIELD
                rest += dyes >> 2 * FIELD_BITS
                strongs += amount >= strong
                strongest = max(strongest, amount)
            sums[i, 0] += colours & _COLOUR
            sums[i, 1] += (colours >> _COLOUR_BITS) & _COLOUR
            sums[i, 2] += colours >> 2 * _COLOUR_BITS
            sums[i, 3] += haematoxylin - pixels * zero_h
            sums[i, 4] += chromogen - pixels * zero_c
            sums[i, 5] += rest - pixels * zero_r
            sums[i, 6] += strongs
        line = light[runs[i, 0]]
        first, last = start, start
        if strongest >= high:  # seldom far from the ends
            while (red[line[3 * first]] + green[line[3 * first + 1]] + blue[line[3 * first + 2]]) & _FIELD < high:
                first += 1
            last = stop
            while (red[line[3 * last - 3]] + green[line[3 * last - 2]] + blue[line[3 * last - 1]]) & _FIELD < high:
                last -= 1
        extremes[i, 0], extremes[i, 1], extremes[i, 2] = max(strongest - zero_c, ZERO), first, last
    return sums, extremes


@kernel("UniTuple(i4[::1], 3), i4[::1], i8, i8[:,::1], i4[::1], i4[::1]")
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


@kernel("i4[::1], i4[::1], i4[::1], i4[::1], i8")
def _row_hulls(row: Any, start: Any, stop: Any, piece: Any, n_pieces: Any) -> Any:
    """Corner points that span each piece's hull, ragged; runs come sorted by row.

    The outermost corners of each row are chained down the left and down the right side (a monotone
    chain along y that needs no sort).
    """
    n = row.shape[0]
    starts = np.zeros(n_pieces + 1, np.int64)
    for p in piece:
        starts[p + 1] += 1
    for p in range(n_pieces):
        starts[p + 1] += starts[p]
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
        n_left, n_right = ZERO, ZERO
        i = starts[p]
        while i < starts[p + 1]:
            y = row[order[i]]
            x0, x1 = start[order[i]], stop[order[i]]
            while i < starts[p + 1] and row[order[i]] == y:
                x0, x1 = min(x0, start[order[i]]), max(x1, stop[order[i]])
                i += 1
            for corner_y in range(y, y + 2):
                n_left = _chain(left, n_left, x0, corner_y, ONE)
                n_right = _chain(right, n_right, x1, corner_y, -ONE)
        for k in range(n_left):
            points[size, 0], points[size, 1] = left[k, 0], left[k, 1]
            size += 1
        for k in range(n_right):
            points[size, 0], points[size, 1] = right[k, 0], right[k, 1]
            size += 1
        offsets[p + 1] = size
    return points[:size].copy(), offsets


@kernel()
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
