"""Outlines with fewer points that stay valid by construction.

A stretch of a ring is replaced by a straight line when all its points lie within the tolerance and
no other point of the group lies between the stretch and the line. Lines chosen so never cross each other
nor what is kept: a crossing would need an end point between a line and its stretch (de Berg, van
Kreveld and Schirra 1998). So parts and contacts stay as they were, and no repair is needed. Holes that
are nowhere farther than the tolerance from their border are filled first: they are too narrow to hold
a part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.kernels import kernel
from micromet_path.pixels.outline import Outlines
from micromet_path.pixels.search import ZERO, first_from

__all__ = ["simplify_outlines"]

_SMALL_RING = 8
_MOST_POINTS = 128
_MOST_LINES = 256
_MOST_MISSES = 3
_FAR = 1 << 40


def simplify_outlines(outlines: Outlines, groups: NDArray[np.bool_], tolerance_px: float = 1.0) -> Outlines:
    """Leave out points that are nearly on a line between their neighbours.

    Parameters
    ----------
    outlines : Outlines
        Exact, as `trace_outlines` makes them.
    groups : ndarray of shape (G,), bool
        Groups to simplify; the others stay exact.
    tolerance_px : float
        Largest distance of a point left out from the new outline.

    Returns
    -------
    Outlines
        The same polygons without their narrowest holes; points are pixel corners still.

    Examples
    --------
    >>> from micromet_path.pixels.outline import trace_outlines
    >>> row = np.arange(40)
    >>> stairs = trace_outlines(row, 0 * row, 2 * row + 1, 0 * row, 1)
    >>> len(stairs.points_px), len(simplify_outlines(stairs, np.array([True])).points_px)
    (82, 3)
    """
    outlines = _without_narrow_holes(outlines, groups, tolerance_px)
    kept = np.ones(len(outlines.points_px), dtype=bool)
    for group in np.flatnonzero(groups):
        polygons = outlines.ring_offsets[outlines.polygon_offsets[group] : outlines.polygon_offsets[group + 1] + 1]
        offsets = outlines.point_offsets[polygons[0] : polygons[-1] + 1]
        if len(offsets) > 1:
            points = outlines.points_px[offsets[0] : offsets[-1]]
            top, columns, lines = _by_line(points)
            kept[offsets[0] : offsets[-1]] = _kept(points, offsets - offsets[0], columns, lines, top, tolerance_px)
    counts = np.concatenate([[0], np.cumsum(kept)])
    return Outlines(
        outlines.points_px[kept], counts[outlines.point_offsets], outlines.ring_offsets, outlines.polygon_offsets
    )


def _without_narrow_holes(outlines: Outlines, groups: NDArray[np.bool_], tolerance_px: float) -> Outlines:
    """Fill holes at most twice the tolerance (and two pixels) wide: a part inside needs three."""
    points, offsets = outlines.points_px, outlines.point_offsets
    kept = np.ones(len(offsets) - 1, dtype=bool)
    if len(kept):
        begins = offsets[:-1]
        width = (np.maximum.reduceat(points, begins) - np.minimum.reduceat(points, begins)).min(axis=1)
        rings = outlines.ring_offsets[outlines.polygon_offsets]
        kept = (width > min(2 * tolerance_px, 2)) | ~np.repeat(groups, np.diff(rings))
        kept[outlines.ring_offsets[:-1]] = True
    lengths = np.diff(offsets)
    counts = np.concatenate([[0], np.cumsum(kept)])
    return Outlines(
        points[np.repeat(kept, lengths)],
        np.concatenate([[0], np.cumsum(lengths[kept])]),
        counts[outlines.ring_offsets],
        outlines.polygon_offsets,
    )


def _by_line(points: NDArray[np.int32]) -> tuple[int, NDArray[np.int32], NDArray[np.int64]]:
    """The first line, columns of all points sorted line by line, and where each line begins."""
    top, left = int(points[:, 1].min()), points[:, 0].min()
    width = np.int64(points[:, 0].max()) - left + 1
    key = np.sort((points[:, 1] - top).astype(np.int64) * width + (points[:, 0] - left))
    lines = np.searchsorted(key, np.arange(key[-1] // width + 2) * width)
    return top, (key % width + left).astype(np.int32), lines


@kernel("i4[:,::1], i8[::1], i4[::1], i8[::1], i8, f8")
def _kept(points: Any, offsets: Any, columns: Any, lines: Any, top: Any, tolerance: Any) -> Any:
    """Which points stay; in loops, as what works on whole arrays takes longer to compile."""
    kept = np.empty(points.shape[0], np.bool_)
    extent = np.empty((_MOST_LINES + 1, 3), np.int64)
    for ring in range(offsets.shape[0] - 1):
        begin, end = offsets[ring], offsets[ring + 1]
        is_small = end - begin <= _SMALL_RING
        for i in range(begin, end):
            kept[i] = is_small
        if is_small:
            continue
        ring_points = points[begin:end]
        n = end - begin
        middle = _farthest(ring_points)
        n_kept, anchor = 0, ZERO
        while anchor < n:
            kept[begin + anchor] = True
            n_kept += 1
            limit = middle if anchor < middle else n
            anchor = _next_anchor(ring_points, anchor, limit, columns, lines, top, extent, tolerance)
        if n_kept < 3:
            for i in range(begin, end):
                kept[i] = True
    return kept


@kernel()
def _farthest(ring: Any) -> Any:
    """Point farthest from the first one."""
    best, farthest = -1, 0
    for i in range(ring.shape[0]):
        dx, dy = np.int64(ring[i, 0]) - ring[0, 0], np.int64(ring[i, 1]) - ring[0, 1]
        if dx * dx + dy * dy > best:
            best, farthest = dx * dx + dy * dy, i
    return farthest


@kernel()
def _next_anchor(
    ring: Any, anchor: Any, limit: Any, columns: Any, lines: Any, top: Any, extent: Any, tolerance: Any
) -> Any:
    """Farthest point that a straight line from the anchor may lead to.

    Every other corner of a flight of stairs lies outside, so a few misses do not end the search. Whether a line is free
    is asked of the farthest first: mostly it is.
    """
    near = np.empty(_MOST_POINTS, np.int64)
    n_near, reached = 0, anchor + 1
    for candidate in range(anchor + 2, min(limit, anchor + _MOST_POINTS) + 1):
        if candidate - reached > _MOST_MISSES:
            break
        if _is_near(ring, anchor, candidate, tolerance):
            near[n_near] = reached = candidate
            n_near += 1
    for k in range(n_near - 1, -1, -1):
        if _is_free(ring, anchor, near[k], columns, lines, top, extent):
            return near[k]
    return anchor + 1


@kernel()
def _is_near(ring: Any, first: Any, last: Any, tolerance: Any) -> Any:
    """Whether all points of a stretch lie within the tolerance of the line between its ends."""
    n = ring.shape[0]
    ax, ay = np.int64(ring[first, 0]), np.int64(ring[first, 1])
    dx, dy = ring[last % n, 0] - ax, ring[last % n, 1] - ay
    squared = dx * dx + dy * dy
    for i in range(first + 1, last):
        px, py = ring[i, 0] - ax, ring[i, 1] - ay
        along, across = px * dx + py * dy, px * dy - py * dx
        if along < 0 or along > squared or across * across > tolerance * tolerance * squared:
            return False
    return squared > 0


@kernel()
def _is_free(ring: Any, first: Any, last: Any, columns: Any, lines: Any, top: Any, extent: Any) -> Any:
    """Whether no point but the stretch's own lies between it and its line; looked up line by line."""
    n = ring.shape[0]
    low = high = np.int64(ring[first, 1])
    for i in range(first, last + 1):
        low, high = min(low, ring[i % n, 1]), max(high, ring[i % n, 1])
    if high - low >= _MOST_LINES:
        return False
    _measure(ring, first, last, low, high, extent)
    for line in range(low, high + 1):
        begin, end = lines[line - top], lines[line - top + 1]
        left = first_from(columns, begin, end, extent[line - low, 0])
        if first_from(columns, left, end, extent[line - low, 1] + 1) - left != extent[line - low, 2]:
            return False
    return True


@kernel()
def _measure(ring: Any, first: Any, last: Any, low: Any, high: Any, extent: Any) -> None:
    """On each line: leftmost and rightmost of stretch and straight line, and points of the stretch."""
    n = ring.shape[0]
    ax, ay = np.int64(ring[first, 0]), np.int64(ring[first, 1])
    dx, dy = ring[last % n, 0] - ax, ring[last % n, 1] - ay
    for line in range(low, high + 1):
        extent[line - low, 0], extent[line - low, 1], extent[line - low, 2] = ax + abs(dx) + _FAR, -_FAR, 0
        if dy != 0 and min(0, dy) <= line - ay <= max(0, dy):
            # Rounded outwards: a point is a whole number, so none is missed.
            product = dx * (line - ay)
            extent[line - low, 0] = ax + product // dy
            extent[line - low, 1] = ax - (-product) // dy
    for i in range(first, last + 1):
        x, y = ring[i % n, 0], ring[i % n, 1]
        extent[y - low, 2] += 1
        stop = ring[(i + 1) % n, 1] if i < last else y
        for line in range(min(y, stop), max(y, stop) + 1):
            extent[line - low, 0] = min(extent[line - low, 0], x)
            extent[line - low, 1] = max(extent[line - low, 1], x)
