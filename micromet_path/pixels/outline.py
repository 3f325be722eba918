"""Exact outlines from runs: corners of pixels, chained to rings, without ever painting a mask.

Runs of two adjacent rows differ where the border runs between them. Each line between two rows is
swept from left to right; a corner is a place where the border turns, and has one horizontal and one
vertical neighbour. Where two pixels touch at a corner only, two corners fall on one place, each
bound to its own pixel: outlines are those of 4-connected parts. A ring that comes back to a place
is cut there, so rings are simple and may touch each other at single points, as OGC simple features
(JTS, QuPath, shapely) allow.

Outer rings have a positive area in the coordinates as given (x to the right, y down), holes a negative
one: the right-hand rule of RFC 7946.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from micromet_path.kernels import kernel
from micromet_path.pixels.order import order_by
from micromet_path.pixels.search import ZERO
from micromet_path.pixels.union import find_root, unite

__all__ = ["Outlines", "trace_outlines"]

_ALONE, _LEFT_TWIN, _RIGHT_TWIN = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Outlines:
    """Polygons of many groups of pixels in ragged form; each level's offsets index the next one.

    Group ``g`` has polygons ``polygon_offsets[g]:polygon_offsets[g + 1]``, polygon ``p`` has rings
    ``ring_offsets[p]:ring_offsets[p + 1]`` (the outer one first, then holes), ring ``r`` has points
    ``point_offsets[r]:point_offsets[r + 1]``.

    Parameters
    ----------
    points_px : ndarray of shape (P, 2), int32
        Pixel corners (x, y); no ring repeats its first point.
    point_offsets : ndarray of shape (R + 1,), int64
    ring_offsets : ndarray of shape (N + 1,), int64
    polygon_offsets : ndarray of shape (G + 1,), int64
    """

    points_px: NDArray[np.int32]
    point_offsets: NDArray[np.int64]
    ring_offsets: NDArray[np.int64]
    polygon_offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.polygon_offsets) - 1

    def polygons(self, group: int) -> list[list[NDArray[np.int32]]]:
        """Polygons of one group, each a list of rings (views), the outer one first."""
        return [
            [
                self.points_px[self.point_offsets[ring] : self.point_offsets[ring + 1]]
                for ring in range(self.ring_offsets[polygon], self.ring_offsets[polygon + 1])
            ]
            for polygon in range(self.polygon_offsets[group], self.polygon_offsets[group + 1])
        ]

    def n_points(self) -> NDArray[np.int64]:
        """Points of each group."""
        counted: NDArray[np.int64] = np.diff(self.point_offsets[self.ring_offsets[self.polygon_offsets]])
        return counted


def trace_outlines(
    row: NDArray[np.integer],
    start: NDArray[np.integer],
    stop: NDArray[np.integer],
    group: NDArray[np.integer],
    n_groups: int,
) -> Outlines:
    """Outlines of groups of runs.

    Parameters
    ----------
    row, start, stop : ndarray of shape (R,), integer
        Pixels ``[row, start:stop]``, not empty, in any order; runs of a group are disjoint.
    group : ndarray of shape (R,), integer
        Group of each run, 0..n_groups-1; -1 leaves a run out.
    n_groups : int

    Returns
    -------
    Outlines
        Polygons in the order of their topmost, then leftmost corner. A group without runs has none.

    Examples
    --------
    >>> row, start, stop = np.array([0, 1]), np.array([0, 2]), np.array([2, 3])
    >>> outlines = trace_outlines(row, start, stop, np.zeros(2, int), 1)
    >>> [[ring.tolist() for ring in polygon] for polygon in outlines.polygons(0)]
    [[[[0, 0], [2, 0], [2, 1], [0, 1]]], [[[2, 1], [3, 1], [3, 2], [2, 2]]]]
    """
    rows, ends, groups = _in_order(row, start, stop, group)
    left, right = (int(ends.min()), int(ends.max())) if len(ends) else (0, 0)
    corner_x, corner_y, following, owner, twin = _corners(rows, ends, groups, left, right)
    points, point_offsets, part, is_outer = _rings(corner_x, corner_y, following, owner, twin)
    order, ring_offsets, group_of_polygon = _nested(part, is_outer, groups)
    points, point_offsets = _reordered(points, point_offsets, order)
    polygon_offsets = np.searchsorted(group_of_polygon, np.arange(n_groups + 1))
    return Outlines(points, point_offsets, ring_offsets, polygon_offsets.astype(np.int64))


def _in_order(row: Any, start: Any, stop: Any, group: Any) -> tuple[Any, Any, Any]:
    """Sort runs by group, row and column and join those that touch; ends are start, stop, start, stop ..."""
    kept = np.flatnonzero(np.asarray(group) >= 0)
    row, start, stop, group = (np.asarray(column)[kept].astype(np.int32) for column in (row, start, stop, group))
    if len(kept):
        order = order_by(group, row - row.min(), start - start.min())
        row, start, stop, group = row[order], start[order], stop[order], group[order]
    begins = np.ones(len(row), dtype=bool)
    begins[1:] = (group[1:] != group[:-1]) | (row[1:] != row[:-1]) | (start[1:] > stop[:-1])
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(row)) - 1 if len(first) else first
    ends = np.stack([start[first], stop[last]], axis=1).ravel()
    return row[first], ends, group[first]


@kernel("i4[::1], i4[::1], i4[::1], i8, i8")
def _corners(rows: Any, ends: Any, groups: Any, left: Any, right: Any) -> Any:
    """Corners of all groups, the corner that follows each, and the 4-connected part each belongs to."""
    n_runs = rows.shape[0]
    x, y = np.empty(4 * n_runs, np.int32), np.empty(4 * n_runs, np.int32)
    following, owner = np.empty(4 * n_runs, np.int32), np.empty(4 * n_runs, np.int32)
    twin = np.zeros(4 * n_runs, np.uint8)
    parent = np.arange(n_runs).astype(np.int32)
    # The corner each column's border comes down from; whoever reads an entry is below who wrote it.
    descends_from = np.empty(right - left + 1, np.int32)
    size, above, above_stop, run = ZERO, ZERO, ZERO, ZERO
    while run < n_runs or above < above_stop:
        line = rows[above] + 1 if above < above_stop else rows[run]
        begin = run
        in_group = above == above_stop or (run < n_runs and groups[run] == groups[above])
        while in_group and run < n_runs and rows[run] == line and groups[run] == groups[begin]:
            run += 1
        size = _sweep(
            line, above, above_stop, begin, run, ends, left, descends_from, x, y, following, owner, twin, parent, size
        )
        above, above_stop = begin, run
    for corner in range(size):
        owner[corner] = find_root(parent, owner[corner])
    return x[:size], y[:size], following[:size], owner[:size], twin[:size]


@kernel()
def _sweep(
    line: Any, above: Any, above_stop: Any, below: Any, below_stop: Any, ends: Any, left: Any, descends_from: Any,
    x: Any, y: Any, following: Any, owner: Any, twin: Any, parent: Any, size: Any,
) -> Any:  # fmt: skip
    """Append the corners on one line between rows; an end's index is odd inside a run."""
    a, a_stop, b, b_stop = 2 * above, 2 * above_stop, 2 * below, 2 * below_stop
    while a < a_stop or b < b_stop:
        column = ends[a] if a < a_stop and (b >= b_stop or ends[a] <= ends[b]) else ends[b]
        above_left, below_left = a & 1, b & 1
        owner_left = a >> 1 if above_left else b >> 1
        if above_left and below_left:
            unite(parent, a >> 1, b >> 1)
        if a < a_stop and ends[a] == column:
            a += 1
        if b < b_stop and ends[b] == column:
            b += 1
        above_right, below_right = a & 1, b & 1
        has_left, has_right = above_left != below_left, above_right != below_right
        has_up, has_down = above_left != above_right, below_left != below_right
        if not ((has_left or has_right) and (has_up or has_down)):
            continue
        upper = descends_from[column - left]
        n_here = 2 if has_left and has_right else 1
        for k in range(n_here):
            x[size + k], y[size + k] = column, line
        if n_here == 2:
            twin[size], twin[size + 1] = _LEFT_TWIN, _RIGHT_TWIN
        rising = size + (n_here == 2 and not above_left)
        falling = size + (n_here == 2 and above_left)
        if has_left:
            # The corner before this one is where the horizontal edge began.
            owner[size - 1] = owner[size] = owner_left
            if below_left:
                following[size - 1] = size
            else:
                following[size] = size - 1
        if has_up:
            if above_right:
                following[rising] = upper
            else:
                following[upper] = rising
        if has_down:
            descends_from[column - left] = falling
        size += n_here
    return size


@kernel("i4[::1], i4[::1], i4[::1], i4[::1], u1[::1]")
def _rings(x: Any, y: Any, following: Any, owner: Any, twin: Any) -> Any:
    """Walk from corner to corner, cutting a ring off whenever the walk is back at a place."""
    n_corners = x.shape[0]
    points = np.empty((n_corners, 2), np.int32)
    offsets, parts = np.zeros(n_corners // 4 + 1, np.int64), np.empty(n_corners // 4, np.int32)
    is_outer = np.empty(n_corners // 4, np.bool_)
    walk, place = np.empty(n_corners, np.int32), np.full(n_corners, -1, np.int32)
    seen = np.zeros(n_corners, np.bool_)
    n_rings = written = ZERO
    for first in range(n_corners):
        corner, depth = first, ZERO
        while not seen[corner]:
            seen[corner] = True
            other = corner + (twin[corner] == _LEFT_TWIN) - (twin[corner] == _RIGHT_TWIN)
            if other != corner and place[other] >= 0:
                bottom = np.int64(place[other])
                written = _cut(walk, bottom, depth, x, y, place, points, written, is_outer, n_rings)
                parts[n_rings], offsets[n_rings + 1] = owner[corner], written
                n_rings, depth = n_rings + 1, bottom
            walk[depth], place[corner] = corner, depth
            depth += 1
            corner = following[corner]
        if depth:
            written = _cut(walk, ZERO, depth, x, y, place, points, written, is_outer, n_rings)
            parts[n_rings], offsets[n_rings + 1] = owner[first], written
            n_rings += 1
    return points, offsets[: n_rings + 1].copy(), parts[:n_rings].copy(), is_outer[:n_rings].copy()


@kernel()
def _cut(
    walk: Any, bottom: Any, depth: Any, x: Any, y: Any, place: Any, points: Any, written: Any, is_outer: Any, ring: Any
) -> Any:
    """Write the walk from `bottom` on as a ring and note on which side its pixels lie."""
    doubled = 0
    previous = walk[depth - 1]
    for step in range(bottom, depth):
        corner = walk[step]
        place[corner] = -1
        points[written, 0], points[written, 1] = x[corner], y[corner]
        doubled += np.int64(x[previous]) * y[corner] - np.int64(x[corner]) * y[previous]
        previous = corner
        written += 1
    is_outer[ring] = doubled > 0
    return written


def _nested(part: Any, is_outer: Any, groups: Any) -> tuple[Any, Any, Any]:
    """Order of rings by polygon, outer rings first; a part's root is its first run, so parts are sorted."""
    order = np.lexsort((~is_outer, part))
    ring_offsets = np.append(np.flatnonzero(is_outer[order]), len(part)).astype(np.int64)
    return order, ring_offsets, groups[part[order[ring_offsets[:-1]]]]


@kernel("i4[:,::1], i8[::1], i8[::1]")
def _reordered(points: Any, offsets: Any, order: Any) -> Any:
    """Ragged rings in another order."""
    moved, moved_offsets = np.empty_like(points), np.zeros_like(offsets)
    written = 0
    for i in range(order.shape[0]):
        for k in range(offsets[order[i]], offsets[order[i] + 1]):
            moved[written, 0], moved[written, 1] = points[k, 0], points[k, 1]
            written += 1
        moved_offsets[i + 1] = written
    return moved, moved_offsets
